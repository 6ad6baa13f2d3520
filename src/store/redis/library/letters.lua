-- Letters, what is sent between partitions, and when a record is due.

-- number, lane, when ready, where the body begins, whether it was ready when it came. That is written as a minus before
-- the time: it came at that time of one gateway's clock, and another's may be behind, for which it is no less ready,
-- since letters that came later must not be handed over before it.
local function letter_head(member)
  local seq, lane, ready, at = string.match(member, '^(%d+) (%d+) (-?%d+) ()')
  ready = tonumber(ready)
  return seq, tonumber(lane), math.abs(ready), at, ready <= 0
end

-- The earliest reason of each lane: the record's own due and its letters.
local function reasons(value, letters)
  local want = {}
  if value and has(string.byte(value, 26), 1) then want[string.byte(value, 25)] = due_of(value) end
  for _, member in ipairs(letters) do
    local _, lane, ready = letter_head(member)
    if not want[lane] or ready < want[lane] then want[lane] = ready end
  end
  return want
end

local function score(lane, due)
  return lane * LANE + math.max(0, math.min(due, LANE - 1))
end

local function list(s, k, text, want)
  for lane, due in pairs(want) do
    redis.call('ZADD', k .. 'd', score(lane, due), lane .. text)
    note(s, due)
  end
end

local function relist(s, k, text)
  local value = redis.call('GETRANGE', k .. 'r' .. text, 0, HEADER - 1)
  list(s, k, text, reasons(value ~= '' and value, redis.call('ZRANGE', k .. 'i' .. text, 0, -1)))
end

local function end_leases(s, k)
  local ended = redis.call('ZRANGEBYSCORE', k .. 'le', '-inf', s.now, 'LIMIT', 0, 5000)
  for _, text in ipairs(ended) do
    redis.call('ZREM', k .. 'le', text)
    redis.call('HDEL', k .. 'ln', text)
    relist(s, k, text)
  end
end

-- What one record sends to another place. L: "L<lane> <not before> <length of name> <name><body>",
-- F: "F<feed item>", T: "T<open> <due> <warning or -> <length of id> <id><task>". `late`: others came before it that were
-- sent after it, so that a task's row as it stands may be newer.
local function arrive(s, p, item, late)
  local k = key(s.prefix, p)
  local kind = string.sub(item, 1, 1)
  if kind == 'L' then
    local lane, not_before, len, at = string.match(item, '^L(%d+) (-?%d+) (%d+) ()')
    local text = string.sub(item, at, at + len - 1)
    local ready = tonumber(not_before)
    if ready < s.now then
      ready = s.now
      not_before = string.format('%.0f', -ready)
    end
    local seq = (s.letters[k] or tonumber(redis.call('GET', k .. 's') or '0')) + 1
    s.letters[k] = seq
    local number = string.format('%.0f', seq)
    redis.call('ZADD', k .. 'i' .. text, number, number .. ' ' .. lane .. ' ' .. not_before .. ' ' .. string.sub(item, at + len))
    add(s, k .. 'q', lane, 1)
    local lease = redis.call('HGET', k .. 'ln', text)
    if not lease then
      redis.call('ZADD', k .. 'd', 'LT', score(tonumber(lane), ready), lane .. text)
      note(s, ready)
    elseif lease == '' then
      redis.call('ZREM', k .. 'le', text)
      redis.call('HDEL', k .. 'ln', text)
      relist(s, k, text)
    elseif string.sub(lease, -1) ~= '+' then
      redis.call('HSET', k .. 'ln', text, lease .. '+')
    end
  elseif kind == 'F' then
    local n = string.format('%.0f', redis.call('INCR', k .. 'fs'))
    redis.call('XADD', k .. 'f', 'MAXLEN', '~', 100000, n .. '-0', 'i', string.sub(item, 2))
  elseif kind == 'T' then
    local open, due, warning, len, at = string.match(item, '^T(%d) (-?%d+) (%S+) (%d+) ()')
    local id = string.sub(item, at, at + len - 1)
    local before = redis.call('HGET', k .. 't', id)
    if before then
      local was, of = string.match(before, '^(%d) (%S+) ')
      local set = k .. (was == '1' and 'to' or 'tc')
      -- What is closed stays closed, and an open one is only put off.
      if late and (was == '0' or open == '1' and tonumber(due) <= tonumber(redis.call('ZSCORE', set, id) or '0')) then return end
      redis.call('ZREM', set, id)
      redis.call('ZREM', set .. of, id)
    end
    local set = k .. (open == '1' and 'to' or 'tc')
    redis.call('ZADD', set, due, id)
    if warning ~= '-' then redis.call('ZADD', set .. warning, due, id) end
    redis.call('HSET', k .. 't', id, open .. ' ' .. warning .. ' ' .. string.sub(item, at + len))
  end
end

-- Into the outbox, where the other place is on another server; the caller carries it over at once.
local function send(s, p, dest, tag, item)
  if not s.spread or dest == p then return arrive(s, dest, item) end
  local k = key(s.prefix, p)
  local run = s.runs[p .. ' ' .. dest]
  if not run then
    run = { p, dest, redis.call('HGET', k .. 'om', dest) or NONE }
    run.last = run[3]
    s.runs[p .. ' ' .. dest] = run
    s.order[#s.order + 1] = run
    redis.call('ZADD', k .. 'oa', 'NX', s.now, dest)
  end
  local id = string.format('%.0f', tonumber(string.match(run.last, '^%d+')) + 1) .. ' ' .. tag
  local entry = id .. ' ' .. item
  redis.call('RPUSH', k .. 'o' .. dest, entry)
  redis.call('HSET', k .. 'om', dest, id)
  run.last = id
  run[#run + 1] = entry
end

local function id_of(entry)
  return string.match(entry, '^%d+ %S+')
end

-- `upto`: the whole id of the last that arrived. After a failover another entry may have its number, that nobody has
-- carried yet.
local function trim(prefix, p, dest, upto)
  local k = key(prefix, p)
  local first = redis.call('LINDEX', k .. 'o' .. dest, 0)
  if not first then return end
  local count = tonumber(string.match(upto, '^%d+')) - tonumber(string.match(first, '^%d+')) + 1
  if count < 1 then return end
  local last = redis.call('LINDEX', k .. 'o' .. dest, count - 1)
  if not last or id_of(last) ~= upto then return end
  redis.call('HSET', k .. 'om', dest .. ' trimmed', id_of(last))
  redis.call('LTRIM', k .. 'o' .. dest, count, -1)
  if redis.call('EXISTS', k .. 'o' .. dest) == 0 then redis.call('ZREM', k .. 'oa', dest) end
end
