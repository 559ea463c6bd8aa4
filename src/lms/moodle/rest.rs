//! What a web-service call asks for, batches included (door 25; attacks H3 and H11).

use super::{
    ajax::{BATCH, CREDENTIAL_FUNCTIONS, SITE_INFO, is_function_name},
    params::{Index, Params, Value},
};

/// Is this call refused whoever makes it? `function` is `wsfunction`, `params` the merged parameters of the call.
///
/// webservice/rest/locallib.php looks `wsfunction` up as it came, and MySQL folds case and trailing spaces, so a name
/// of any other shape than [`is_function_name`] is refused. A batch ([`BATCH`], 3.7+) is refused if any element is
/// refused, is a batch itself, or is site_info, whose file key could not be found in the nested JSON text.
pub fn rest_denied(function: &str, params: &Params) -> bool {
    if !is_function_name(function) || CREDENTIAL_FUNCTIONS.contains(&function) {
        return true;
    }
    function == BATCH && !batch_functions(params).is_some_and(|names| names.iter().all(|name| may_be_batched(name)))
}

/// The functions a batch calls (for step-up policies), or `None` if that cannot be said for certain.
pub fn batch_functions(params: &Params) -> Option<Vec<&str>> {
    let Some(Value::Array(items)) = params.value("requests") else { return None };
    let mut names = Vec::new();
    for (path, value) in items {
        match path.as_slice() {
            // `requests[0][function]=x`
            [_, Index::Key(key)] if key == b"function" => names.push(std::str::from_utf8(value).ok()?),
            [_, Index::Key(_)] => {}
            // Anything that is not a list of records of plain values fails Moodle's validate_parameters anyway.
            _ => return None,
        }
    }
    Some(names)
}

fn may_be_batched(name: &str) -> bool {
    is_function_name(name) && !CREDENTIAL_FUNCTIONS.contains(&name) && name != BATCH && name != SITE_INFO
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::parse_query(text.as_bytes()).unwrap()
    }

    #[test]
    fn h3_functions_that_hand_out_credentials_are_refused() {
        let none = Params::default();
        for function in CREDENTIAL_FUNCTIONS {
            assert!(rest_denied(function, &none), "{function}");
        }
        assert!(!rest_denied(SITE_INFO, &none));
        assert!(!rest_denied("core_course_get_contents", &none));
    }

    #[test]
    fn h3_names_a_database_would_fold_are_refused() {
        let none = Params::default();
        for function in
            ["", "Core_Course_get", "core_x ", " core_x", "core-x", "core_x\0", "tool_mobile_get_autologin_kéy"]
        {
            assert!(rest_denied(function, &none), "{function:?}");
        }
    }

    #[test]
    fn h11_a_batch_is_judged_by_each_of_its_calls() {
        let good =
            "requests[0][function]=core_course_get_contents&requests[0][arguments]={}&requests[1][function]=mod_x";
        assert!(!rest_denied(BATCH, &params(good)));
        assert_eq!(batch_functions(&params(good)).unwrap(), ["core_course_get_contents", "mod_x"]);
        for bad in [
            "requests[0][function]=core_x&requests[1][function]=tool_mobile_get_autologin_key",
            "requests[0][function]=core_x&requests[0][function]=core_calendar_get_calendar_export_token",
            "requests[0][function]=core_webservice_get_site_info",
            "requests[0][function]=tool_mobile_call_external_functions&requests[0][arguments]={}",
            "requests[0][function]=Tool_Mobile_Get_Autologin_Key",
            "requests[][function]=mod_chat_login_user",
            "+requests[0][%66unction]=mod_chat_login_user",
            "requests[0][function][]=core_x",
            "requests[0]=core_x",
            "requests=core_x",
            "",
        ] {
            assert!(rest_denied(BATCH, &params(bad)), "{bad}");
        }
        // Elsewhere a parameter of that name is an argument like any other.
        assert!(!rest_denied("core_x", &params("requests[0][function]=mod_chat_login_user")));
    }
}
