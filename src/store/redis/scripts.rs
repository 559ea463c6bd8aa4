//! The multi-step operations, as scripts. Each touches exactly one key, so they run on a cluster as well.
//!
//! A stored value is `<end in ms>:<sealed text>`: the end is judged by the injected clock, which comes along as
//! `ARGV[1]`, and Redis' own `PX` is set a little later and only collects garbage. Numbers go out as `%.17g`, because
//! Lua would round a time in milliseconds.

use ::redis::Script;

/// `live(key)`: the sealed text if there is one whose end has not come. A value of another type is no value (I1).
const LIVE: &str = "
local now = tonumber(ARGV[1])
local function live(key)
  local stored = redis.pcall('GET', key)
  if type(stored) ~= 'string' then return nil end
  local ends, body = string.match(stored, '^(%d+):(.*)$')
  if not ends or tonumber(ends) <= now then return nil end
  return body
end
local function keep(key, px)
  if redis.call('PTTL', key) < px then redis.call('PEXPIRE', key, string.format('%.0f', px)) end
end
";

pub(super) struct Scripts {
    pub put_new: Script,
    pub swap: Script,
    pub take: Script,
    pub add: Script,
    pub index_add: Script,
    pub due_add: Script,
    pub heartbeat: Script,
}

impl Scripts {
    pub fn new() -> Self {
        let script = |body: &str| Script::new(&format!("{LIVE}{body}"));
        Self {
            // now, value, px
            put_new: script(
                "if live(KEYS[1]) then return 0 end
                 redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
                 return 1",
            ),
            // now, expected, value, px
            swap: script(
                "if live(KEYS[1]) ~= ARGV[2] then return 0 end
                 redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
                 return 1",
            ),
            // now, expected
            take: script(
                "if live(KEYS[1]) ~= ARGV[2] then return 0 end
                 redis.call('DEL', KEYS[1])
                 return 1",
            ),
            // now, by, window, px. A clock that went back must not leave a window longer than asked for.
            add: script(
                "local stored = redis.call('HMGET', KEYS[1], 'n', 't')
                 local n, t = tonumber(stored[1] or '0') or 0, tonumber(stored[2] or '0') or 0
                 local by, window = tonumber(ARGV[2]), tonumber(ARGV[3])
                 if t <= now then
                   if by <= 0 then return {0, 0} end
                   n, t = 0, now + window
                 end
                 n = math.max(0, n + by)
                 t = math.min(t, now + window)
                 redis.call('HSET', KEYS[1], 'n', string.format('%.0f', n), 't', string.format('%.0f', t))
                 redis.call('PEXPIRE', KEYS[1], ARGV[4])
                 return {n, t - now}",
            ),
            // now, member, until, cap, px. Members with one end keep their order: a 1024th of a millisecond apart.
            index_add: script(
                "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.17g', now))
                 local score = tonumber(ARGV[3])
                 local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
                 if last[2] and math.floor(tonumber(last[2])) == score then score = tonumber(last[2]) + 1 / 1024 end
                 redis.call('ZADD', KEYS[1], string.format('%.17g', score), ARGV[2])
                 keep(KEYS[1], tonumber(ARGV[5]))
                 local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
                 if over <= 0 then return {} end
                 local gone = redis.call('ZRANGE', KEYS[1], 0, over - 1)
                 redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1)
                 return gone",
            ),
            // now, member, due, forgotten, px
            due_add: script(
                "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[4])
                 redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
                 keep(KEYS[1], tonumber(ARGV[5]))
                 return 1",
            ),
            // now (unused), channel, message, marker. The marker tells a store that was emptied from one that was not.
            heartbeat: script(
                "local marker = redis.call('GET', KEYS[1])
                 if not marker then
                   marker = ARGV[4]
                   redis.call('SET', KEYS[1], marker)
                 end
                 redis.call('PUBLISH', ARGV[2], ARGV[3] .. ' ' .. marker)
                 return 1",
            ),
        }
    }
}
