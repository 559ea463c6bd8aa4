//! The operations of [`Kv`] as Redis commands and [`super::scripts`].

use super::{Redis, SLACK, millis};
use crate::{
    limits::Count,
    store::kv::{Heard, Key, Kind, Kv, Listener},
    types::{Timestamp, Unavailable},
};
use ::redis::{Cmd, FromRedisValue, ScriptInvocation, cmd};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};

/// Members of a due queue whose flow has long gone.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// Keys per round of a scan, so that no round blocks Redis for long.
const PAGE: usize = 500;
/// Rounds of a scan: a list of one kind among very many other keys ends somewhere.
const PAGES: usize = 2_000;

#[async_trait]
impl Kv for Redis {
    async fn get(&self, key: &Key) -> Result<Option<String>, Unavailable> {
        let mut connection = self.link.connection();
        let answer = self.link.ask(async {
            match cmd("GET").arg(key.as_str()).query_async::<Option<String>>(&mut connection).await {
                // Somebody put another type there (I1); what we wrote is a string.
                Err(error) if error.code() == Some("WRONGTYPE") => {
                    tracing::warn!(kind = key.kind().as_str(), "a value in the state store has a foreign type");
                    Ok(None)
                }
                answer => answer,
            }
        });
        Ok(answer.await?.and_then(|stored| live(&stored, self.now())))
    }

    async fn put(&self, key: &Key, value: &str, ttl: Duration) -> Result<(), Unavailable> {
        let (stored, px) = self.stored(value, ttl);
        self.command(cmd("SET").arg(key.as_str()).arg(stored).arg("PX").arg(px)).await
    }

    async fn put_new(&self, key: &Key, value: &str, ttl: Duration) -> Result<bool, Unavailable> {
        let (stored, px) = self.stored(value, ttl);
        self.script(self.scripts.put_new.key(key.as_str()).arg(self.now().0).arg(stored).arg(px)).await
    }

    async fn swap(&self, key: &Key, expected: &str, new: &str, ttl: Duration) -> Result<bool, Unavailable> {
        let (stored, px) = self.stored(new, ttl);
        self.script(self.scripts.swap.key(key.as_str()).arg(self.now().0).arg(expected).arg(stored).arg(px)).await
    }

    async fn take(&self, key: &Key, expected: &str) -> Result<bool, Unavailable> {
        self.script(self.scripts.take.key(key.as_str()).arg(self.now().0).arg(expected)).await
    }

    async fn remove(&self, key: &Key) -> Result<bool, Unavailable> {
        // GETDEL would refuse a foreign type; DEL removes whatever is there.
        self.command(cmd("DEL").arg(key.as_str())).await
    }

    async fn scan(&self, kind: Kind, limit: usize) -> Result<Vec<(Key, String)>, Unavailable> {
        let (prefix, now) = (kind.prefix(), self.now());
        let (mut found, mut cursor) = (Vec::new(), 0u64);
        for _ in 0..PAGES {
            let mut page = cmd("SCAN");
            page.arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(PAGE);
            let (next, keys): (u64, Vec<String>) = self.command(&page).await?;
            if !keys.is_empty() {
                let values: Vec<Option<String>> = self.command(cmd("MGET").arg(&keys)).await?;
                let live = keys.iter().zip(values).filter_map(|(key, stored)| {
                    Some((Key::of_digest(kind, key.strip_prefix(&prefix)?), live(&stored?, now)?))
                });
                found.extend(live);
            }
            cursor = next;
            if cursor == 0 || found.len() >= limit {
                break;
            }
        }
        // A key may be seen twice while Redis resizes its table.
        found.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        found.dedup_by(|(a, _), (b, _)| a == b);
        found.truncate(limit);
        Ok(found)
    }

    async fn add(&self, key: &Key, by: i64, window: Duration) -> Result<Count, Unavailable> {
        let invocation = &mut self.scripts.add.key(key.as_str());
        invocation.arg(self.now().0).arg(by).arg(millis(window)).arg(millis(window + SLACK));
        let (value, left): (i64, i64) = self.script(invocation).await?;
        Ok(Count { value, resets_in: Duration::from_millis(u64::try_from(left).unwrap_or(0)) })
    }

    async fn count(&self, key: &Key) -> Result<Count, Unavailable> {
        let now = self.now();
        let (value, ends): (Option<i64>, Option<i64>) =
            self.command(cmd("HMGET").arg(key.as_str()).arg("n").arg("t")).await?;
        let resets_in = Timestamp(ends.unwrap_or(0)).since(now);
        Ok(Count { value: if resets_in.is_zero() { 0 } else { value.unwrap_or(0) }, resets_in })
    }

    async fn index_add(
        &self,
        index: &Key,
        member: &str,
        until: Timestamp,
        cap: usize,
    ) -> Result<Vec<String>, Unavailable> {
        let now = self.now();
        let px = millis(until.since(now) + SLACK);
        let cap = i64::try_from(cap).unwrap_or(i64::MAX);
        let mut invocation = self.scripts.index_add.key(index.as_str());
        self.script(invocation.arg(now.0).arg(member).arg(until.0).arg(cap).arg(px)).await
    }

    async fn index_list(&self, index: &Key, limit: usize) -> Result<Vec<String>, Unavailable> {
        let mut range = cmd("ZRANGEBYSCORE");
        range.arg(index.as_str()).arg(format!("({}", self.now().0)).arg("+inf").arg("LIMIT").arg(0).arg(bound(limit));
        self.command(&range).await
    }

    async fn index_remove(&self, index: &Key, member: &str) -> Result<(), Unavailable> {
        self.command(cmd("ZREM").arg(index.as_str()).arg(member)).await
    }

    async fn due_add(&self, queue: &Key, member: &str, due: Timestamp) -> Result<(), Unavailable> {
        let now = self.now();
        let px = millis(due.since(now) + FORGOTTEN);
        let mut invocation = self.scripts.due_add.key(queue.as_str());
        invocation.arg(now.0).arg(member).arg(due.0).arg(now.minus(FORGOTTEN).0).arg(px);
        self.script(&invocation).await
    }

    async fn due_list(&self, queue: &Key, now: Timestamp, limit: usize) -> Result<Vec<String>, Unavailable> {
        let mut range = cmd("ZRANGEBYSCORE");
        range.arg(queue.as_str()).arg("-inf").arg(now.0).arg("LIMIT").arg(0).arg(bound(limit));
        self.command(&range).await
    }

    async fn publish(&self, message: &str) -> Result<(), Unavailable> {
        self.bus.publish(message).await
    }

    fn listen(&self, listener: Arc<dyn Listener>) {
        self.bus.start(&listener);
    }

    fn heard(&self) -> Heard {
        self.bus.heard().map_or(Heard::Nothing, Heard::Until)
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.command(&cmd("PING")).await
    }

    async fn close(&self) {
        self.bus.stop();
        self.link.shut();
    }
}

impl Redis {
    async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let mut connection = self.link.connection();
        self.link.ask(command.query_async(&mut connection)).await
    }

    async fn script<T: FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, Unavailable> {
        let mut connection = self.link.connection();
        self.link.ask(invocation.invoke_async(&mut connection)).await
    }
}

/// The sealed text of a stored value whose end has not come.
fn live(stored: &str, now: Timestamp) -> Option<String> {
    let (ends, value) = stored.split_once(':')?;
    (ends.parse::<i64>().ok()? > now.0).then(|| value.to_owned())
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_by_our_clock_and_garbage_is_none() {
        assert_eq!(live("10:v1.a:b", Timestamp(9)).as_deref(), Some("v1.a:b"));
        for stored in ["10:x", "", ":", "x:y", "-5:x", "99999999999999999999:x"] {
            assert_eq!(live(stored, Timestamp(10)), None, "{stored}");
        }
    }
}
