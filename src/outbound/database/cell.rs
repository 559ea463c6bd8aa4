//! One value of a row as text, whatever the column's type.
//!
//! Each driver is used natively, not through sqlx's `Any`: that one knows seven types and refuses the whole row for
//! any other (a `uuid` or `citext` subject, an enum, an array of groups, a `timestamp` beside them that nobody asked
//! for), and it cannot tell an unsigned MySQL integer from a signed one. Here a column is decoded by its own type, a
//! hash in `bytea`, `blob` or a padded `char` is text as it is in `varchar`, NULL is none, and a type without one
//! obvious text (times, floats, decimals) is refused by name, so that the operator casts it in the query.

use sqlx::{
    Decode, MySql, Postgres, Sqlite, TypeInfo, ValueRef,
    error::BoxDynError,
    mysql::{MySqlTypeInfo, MySqlValueRef},
    postgres::{PgTypeInfo, PgTypeKind, PgValueRef},
    sqlite::SqliteValueRef,
};

/// Longer values are not what any of our columns holds.
const MAX_LENGTH: usize = 16 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Null,
    Text(String),
    /// PostgreSQL's arrays of text.
    List(Vec<String>),
}

/// Without the value: it may be a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    #[error("is of type {0}: cast it to text in the query")]
    Type(String),
    #[error("is not UTF-8")]
    Encoding,
    #[error("is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("cannot be decoded: {0}")]
    Driver(String),
}

/// How a column's bytes become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Text,
    /// Of a fixed width, filled up with blanks or (MySQL's BINARY) NULs that nobody wrote. Elsewhere a blank at the end
    /// is kept: two subjects that differ by it are two people.
    Padded,
    Number,
    Unsigned,
    Flag,
    Uuid,
    TextList,
}

pub fn postgres_reading(info: &PgTypeInfo) -> Option<Reading> {
    match info.kind() {
        PgTypeKind::Enum(_) => return Some(Reading::Text),
        PgTypeKind::Domain(base) => return postgres_reading(base),
        PgTypeKind::Array(element) if postgres_reading(element) == Some(Reading::Text) => {
            return Some(Reading::TextList);
        }
        PgTypeKind::Simple | PgTypeKind::Pseudo => {}
        PgTypeKind::Array(_) | PgTypeKind::Composite(_) | PgTypeKind::Range(_) => return None,
    }
    match info.name() {
        "CHAR" => Some(Reading::Padded),
        "TEXT" | "VARCHAR" | "\"CHAR\"" | "NAME" | "UNKNOWN" | "BYTEA" | "citext" => Some(Reading::Text),
        "INT2" | "INT4" | "INT8" => Some(Reading::Number),
        "BOOL" => Some(Reading::Flag),
        "UUID" => Some(Reading::Uuid),
        _ => None,
    }
}

pub fn mysql_reading(info: &MySqlTypeInfo) -> Option<Reading> {
    match info.name() {
        "CHAR" | "BINARY" => Some(Reading::Padded),
        "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" => Some(Reading::Text),
        "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => Some(Reading::Text),
        // TINYINT(1): a number all the same, of whatever sign.
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => Some(Reading::Number),
        "BIT" => Some(Reading::Unsigned),
        name if name.ends_with(" UNSIGNED") => Some(Reading::Unsigned),
        "NULL" => Some(Reading::Text),
        _ => None,
    }
}

pub fn postgres(value: PgValueRef<'_>) -> Result<Cell, CellError> {
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let info = value.type_info().into_owned();
    match postgres_reading(&info).ok_or_else(|| CellError::Type(info.name().to_owned()))? {
        Reading::Text => text(value.as_bytes()),
        Reading::Padded => text(value.as_bytes()).map(unpadded),
        Reading::TextList => driver(<Vec<Option<String>> as Decode<Postgres>>::decode(value))
            .map(|list| Cell::List(list.into_iter().flatten().collect())),
        Reading::Flag => driver(<bool as Decode<Postgres>>::decode(value)).map(flag),
        Reading::Uuid => value.as_bytes().map_err(failed).and_then(uuid),
        // One decoder for the three widths: it goes by the length of the value.
        Reading::Number | Reading::Unsigned => driver(<i64 as Decode<Postgres>>::decode(value)).map(number),
    }
}

pub fn mysql(value: MySqlValueRef<'_>) -> Result<Cell, CellError> {
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let info = value.type_info().into_owned();
    match mysql_reading(&info).ok_or_else(|| CellError::Type(info.name().to_owned()))? {
        Reading::Number => driver(<i64 as Decode<MySql>>::decode(value)).map(number),
        Reading::Unsigned => driver(<u64 as Decode<MySql>>::decode(value)).map(number),
        Reading::Padded => text(<&[u8] as Decode<MySql>>::decode(value)).map(unpadded),
        Reading::Text | Reading::Flag | Reading::Uuid | Reading::TextList => {
            text(<&[u8] as Decode<MySql>>::decode(value))
        }
    }
}

/// SQLite types values, not columns.
pub fn sqlite(value: SqliteValueRef<'_>) -> Result<Cell, CellError> {
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().name().to_owned();
    match kind.as_str() {
        "INTEGER" | "BOOLEAN" => driver(<i64 as Decode<Sqlite>>::decode(value)).map(number),
        "TEXT" | "BLOB" => text(<Vec<u8> as Decode<Sqlite>>::decode(value)),
        _ => Err(CellError::Type(kind)),
    }
}

fn text(bytes: Result<impl AsRef<[u8]>, BoxDynError>) -> Result<Cell, CellError> {
    let bytes = bytes.map_err(failed)?;
    if bytes.as_ref().len() > MAX_LENGTH {
        return Err(CellError::TooLong);
    }
    str::from_utf8(bytes.as_ref()).map(|text| Cell::Text(text.to_owned())).map_err(|_| CellError::Encoding)
}

fn unpadded(cell: Cell) -> Cell {
    match cell {
        Cell::Text(text) => Cell::Text(text.trim_end_matches([' ', '\0']).to_owned()),
        Cell::Null | Cell::List(_) => cell,
    }
}

fn number(n: impl ToString) -> Cell {
    Cell::Text(n.to_string())
}

fn flag(set: bool) -> Cell {
    Cell::Text(if set { "1" } else { "0" }.to_owned())
}

/// As PostgreSQL prints it (RFC 9562 §4).
fn uuid(bytes: &[u8]) -> Result<Cell, CellError> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match (bytes.len(), hex.as_str()) {
        (16, hex) => Ok(Cell::Text([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))),
        _ => Err(CellError::Driver("a uuid of another length".into())),
    }
}

fn driver<T>(decoded: Result<T, BoxDynError>) -> Result<T, CellError> {
    decoded.map_err(failed)
}

fn failed(error: BoxDynError) -> CellError {
    CellError::Driver(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_reads_as_it_is_printed() {
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(uuid(&bytes), Ok(Cell::Text("00010203-0405-0607-0809-0a0b0c0d0e0f".into())));
        assert!(uuid(&bytes[1..]).is_err());
    }

    #[test]
    fn padding_is_no_part_of_a_text_and_what_is_not_utf8_is_none() {
        let read = |bytes: &[u8]| text(Ok::<_, BoxDynError>(bytes.to_vec()));
        assert_eq!(read(b"a  \0\0").map(unpadded), Ok(Cell::Text("a".into())));
        assert_eq!(read(b"a "), Ok(Cell::Text("a ".into())));
        assert_eq!(read(b"\xff\xfe"), Err(CellError::Encoding));
        assert_eq!(read(&[b'a'; MAX_LENGTH + 1]), Err(CellError::TooLong));
    }
}
