#!lua name=LIBRARY
-- The store's functions: each changes keys of one partition (of one hash slot), whole or not at all.
--
-- Keys of partition p stand under K = PREFIX:{p:P} and a letter:
--   r<record>  string: header (44 bytes, below), face, body     j<record>  list: one journal row a commit
--   b<record>  hash: its blobs                                   i<record>  zset: letters by number
--   d          zset: unleased records ("<lane><record>") by lane, then when they are due
--   q          hash: letters waiting, by lane
--   le, ln     zset and hash: leases by their end, and their nonces ('' where given back until then; with + behind
--              where a letter came since, that the holder has not seen)
--   s          the last letter's number                          nc         set: open callouts without a clock
--   c<w>, cw   bitmap of a warning's callouts; set of warnings   n<w>       hash: a warning's kept counts
--   o<p>, om, oa   what is on its way to partition p; its last written and last trimmed ids; since when
--   oi         hash: the last id that came from each partition
--   life       which life of the primary wrote last, and until when it is held (see `fenced`); where one server
--              has all partitions only the control partition has it
-- and, in the control partition c alone:
--   w  zset of warnings    I<identifier>  hash of identities    t, to*, tc*  tasks, open and closed by due
--   f, fs  feed and its last number    D<kind>, V  documents, versions    S  sequences    meta, clock
--
-- Header, big endian: head 16, due 8, lane 1, flags 1, state 1, tier 1, recipient 4, division 8, face's length 4.
-- Flags: 1 has a due, 2 has a face, 4 only told, 8 owes a feedback, 16 in an open state.
-- Every time is the engine's, given by the caller: a test may stand still, and effects are the same on a replica.

local HEADER = 44
local LANES = 7
-- Lanes are divided by more milliseconds than any real time has (until the year 2527).
local LANE = 2 ^ 44
local NONE = '0 -'

local function key(prefix, p)
  return prefix .. ':{p:' .. p .. '}'
end

local function split(text)
  local out = {}
  for word in string.gmatch(text, '%S+') do out[#out + 1] = word end
  return out
end

local function has(flags, bit_)
  return math.floor(flags / bit_) % 2 == 1
end

local function due_of(value)
  return struct.unpack('>i8', value, 17)
end

-- One call's doings: what is summed up and written once at its end.
local function begin(prefix, now, spread)
  return { prefix = prefix, now = now, spread = spread, letters = {}, sums = {}, known = {}, runs = {}, order = {} }
end

local function add(s, name, field, n)
  local sums = s.sums[name]
  if not sums then
    sums = {}
    s.sums[name] = sums
  end
  sums[field] = (sums[field] or 0) + n
end

local function note(s, due)
  if not s.earliest or due < s.earliest then s.earliest = due end
end

local function finish(s, gateway)
  for name, sums in pairs(s.sums) do
    for field, n in pairs(sums) do
      if n ~= 0 and redis.call('HINCRBY', name, field, n) == 0 then redis.call('HDEL', name, field) end
    end
  end
  for k, n in pairs(s.letters) do redis.call('SET', k .. 's', string.format('%.0f', n)) end
  if s.earliest and gateway then
    redis.call('PUBLISH', s.prefix .. ':wake', gateway .. ' ' .. string.format('%.0f', s.earliest))
  end
end

-- Which life of which server this is: another one after every restart and every promotion.
local function identity()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'unknown'
  local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or 'unknown'
  return string.sub(run, 1, 12) .. '.' .. string.sub(replid, 1, 12)
end

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- What was given out before and may have been rolled back is not given again: letters', feed items' and other numbers.
local function skip(prefix, p, together)
  local parts = { p }
  if together then
    for n = 0, tonumber(redis.call('HGET', key(prefix, 'c') .. 'meta', 'partitions') or '0') - 1 do parts[#parts + 1] = tostring(n) end
  end
  for _, part in ipairs(parts) do
    local k = key(prefix, part)
    if redis.call('EXISTS', k .. 's') == 1 then redis.call('INCRBY', k .. 's', 1000000000) end
  end
  if p ~= 'c' then return end
  local k = key(prefix, 'c')
  if redis.call('EXISTS', k .. 'fs') == 1 then redis.call('INCRBY', k .. 'fs', 1000000) end
  local numbers = redis.call('HKEYS', k .. 'S')
  for _, name in ipairs(numbers) do redis.call('HINCRBY', k .. 'S', name, name == 'warning' and 20 or 100000) end
end

-- Lives this process knows, by partition: not replicated, and gone with the process.
local lives = {}

-- The life of the primary of a partition and until when it is held. `look`: do not trust what is remembered.
local function life_of(prefix, p, together, known, hold, look)
  local name = key(prefix, p) .. 'life'
  local kept, held = string.match(redis.call('GET', name) or '', '^(%S+) (%d+)$')
  if kept and kept == lives[name] and not look then return kept, tonumber(held) end
  local is = identity()
  lives[name] = is
  if kept == is then return kept, tonumber(held) end
  held = 0
  if kept or known ~= '-' then
    held = milliseconds() + hold
    skip(prefix, p, together)
  end
  redis.call('SET', name, is .. ' ' .. string.format('%.0f', held))
  return is, held
end

-- "together hold replay life" is the last argument of every call that decides anything. On another life than the
-- caller knows nothing is done, because what it knows to be here may have been rolled back; and a new life is held
-- for a while, until all gateways have replayed what they told and sent. A replay (1 strict, 2 not) is let in.
local function fenced(f)
  return function(keys, args)
    local together, hold, replay, known = string.match(table.remove(args), '^(%d) (%d+) (%d) (%S+)$')
    local prefix = args[1]
    local p = together == '1' and 'c' or string.match(keys[1], '{p:(%w+)}$')
    local life, held = life_of(prefix, p, together == '1', known, tonumber(hold), false)
    if life ~= known then return redis.error_reply('INSTANCE ' .. life) end
    if held > 0 and replay == '0' then
      local left = held - milliseconds()
      if left > 0 then return redis.error_reply('HELD ' .. string.format('%.0f', left)) end
    end
    return f(keys, args, replay)
  end
end

-- prefix, partition, together, the life known before, hold: today's life, and how long it is still held.
local function life(_, args)
  local is, held = life_of(args[1], args[2], args[3] == '1', args[4], tonumber(args[5]), true)
  return { is, string.format('%.0f', math.max(0, held > 0 and held - milliseconds() or 0)) }
end

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
-- F: "F<feed item>", T: "T<open> <due> <warning or -> <length of id> <id><task>".
local function arrive(s, p, item)
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

local function trim(prefix, p, dest, upto)
  local k = key(prefix, p)
  local first = redis.call('LINDEX', k .. 'o' .. dest, 0)
  if not first then return end
  local count = tonumber(upto) - tonumber(string.match(first, '^%d+')) + 1
  if count < 1 then return end
  local last = redis.call('LINDEX', k .. 'o' .. dest, count - 1)
  if not last or string.match(last, '^%d+') ~= upto then return end
  redis.call('HSET', k .. 'om', dest .. ' trimmed', id_of(last))
  redis.call('LTRIM', k .. 'o' .. dest, count, -1)
  if redis.call('EXISTS', k .. 'o' .. dest) == 0 then redis.call('ZREM', k .. 'oa', dest) end
end

local function count_face(s, k, warning, value, n)
  local flags = string.byte(value, 26)
  local name = k .. 'n' .. warning
  if has(flags, 4) then return add(s, name, 'told', n) end
  add(s, name, string.byte(value, 27), n)
  if has(flags, 8) then add(s, name, 'owed', n) end
end

local function stuck(value)
  local flags = string.byte(value, 26)
  return has(flags, 16) and not has(flags, 1) and not has(flags, 4)
end

-- A letter as a replay knows it again: its number may be another one than it was before the failover.
local function digest_of(member)
  local _, _, _, at = letter_head(member)
  return string.sub(redis.sha1hex(string.sub(member, at)), 1, 20)
end

-- Which of the letters a replayed commit consumes, by number; nothing where one of them is missing (yet).
local function consumed_again(c, letters)
  local left, found, n = {}, {}, 0
  for h, times in pairs(c.digests) do
    left[h] = times
    n = n + times
  end
  for _, member in ipairs(letters) do
    local h = digest_of(member)
    if (left[h] or 0) > 0 then
      left[h] = left[h] - 1
      found[letter_head(member)] = true
      n = n - 1
    end
  end
  return found, n == 0
end

-- One commit; answers 0 applied, 1 applied before, 2 conflict, 3 a letter it consumed is not here yet (a strict
-- replay alone), or the identity that stands.
local function commit_one(s, c)
  local k = key(s.prefix, c.p)
  local old = redis.call('GETRANGE', k .. 'r' .. c.text, 0, HEADER - 1)
  local head = old ~= '' and string.sub(old, 1, 16) or string.rep('\0', 16)
  if head == c.head then return 1 end
  if c.identity then
    local taken = redis.call('HGET', k .. 'I' .. c.identity[1], c.identity[2])
    if taken then return taken end
  end
  if head ~= c.expect then return 2 end
  if old == '' then old = nil end
  local letters = redis.call('ZRANGE', k .. 'i' .. c.text, 0, -1)
  if next(c.digests) then
    local found, all = consumed_again(c, letters)
    if s.strict and not all then return 3 end
    for seq in pairs(found) do c.consumed[seq] = true end
  end

  local value, rest = c.header, c.face .. c.body
  local had_face = old and has(string.byte(old, 26), 2)
  if c.face == '' and had_face then
    local len = struct.unpack('>I4', old, 41)
    local flags = string.byte(value, 26) + string.byte(old, 26) - string.byte(old, 26) % 2
    value = string.sub(value, 1, 25) .. string.char(flags) .. string.sub(old, 27, HEADER)
    rest = redis.call('GETRANGE', k .. 'r' .. c.text, HEADER, HEADER + len - 1) .. c.body
  end

  local leased = redis.call('HDEL', k .. 'ln', c.text) == 1
  if leased then redis.call('ZREM', k .. 'le', c.text) end
  local listed = {}
  if not leased then listed = reasons(old, letters) end
  if #letters > 0 and next(c.consumed) then
    local left = {}
    for _, member in ipairs(letters) do
      local seq, lane = letter_head(member)
      if c.consumed[seq] then
        redis.call('ZREM', k .. 'i' .. c.text, member)
        add(s, k .. 'q', tostring(lane), -1)
      else
        left[#left + 1] = member
      end
    end
    letters = left
  end

  redis.call('SET', k .. 'r' .. c.text, value .. rest)
  redis.call('RPUSH', k .. 'j' .. c.text, c.row)
  local want = reasons(value, letters)
  for lane in pairs(listed) do
    if not want[lane] then redis.call('ZREM', k .. 'd', lane .. c.text) end
  end
  list(s, k, c.text, want)

  if c.warning then
    local face = has(string.byte(value, 26), 2)
    if had_face then count_face(s, k, c.warning, old, -1) end
    if face then count_face(s, k, c.warning, value, 1) end
    if face and not had_face then
      redis.call('SETBIT', k .. 'c' .. c.warning, c.bit, 1)
      local name = k .. 'cw ' .. c.warning
      if not s.known[name] then
        s.known[name] = true
        redis.call('SADD', k .. 'cw', c.warning)
      end
    end
    local was, is = old and stuck(old), stuck(value)
    if is and not was then redis.call('SADD', k .. 'nc', c.text) end
    if was and not is then redis.call('SREM', k .. 'nc', c.text) end
  elseif not old and string.match(c.text, '^w%d+$') then
    redis.call('ZADD', k .. 'w', string.sub(c.text, 2), string.sub(c.text, 2))
  end
  if c.identity then redis.call('HSET', k .. 'I' .. c.identity[1], c.identity[2], c.identity[3]) end
  for _, blob in ipairs(c.blobs) do redis.call('HSETNX', k .. 'b' .. c.text, blob[1], blob[2]) end
  for _, item in ipairs(c.items) do send(s, c.p, item[1], c.tag, item[2]) end
  return 0
end

-- "source destination number;"*: entries of outboxes that have arrived, up to this number.
local function trims(prefix, text)
  for p, dest, upto in string.gmatch(text, '(%S+) (%S+) (%d+);') do trim(prefix, p, dest, upto) end
end

-- prefix, now, spread, gateway, fence, trims, how many commits, commits.
-- A fence is a write of its own, so that a WAIT after it covers what an earlier call had written.
local function commit(_, args, replay)
  local prefix, at = args[1], 6
  local s = begin(prefix, tonumber(args[2]), args[3] == '1')
  s.strict = replay == '1'
  if args[5] ~= '' then redis.call('SET', key(prefix, args[5]) .. 'fence', args[2]) end
  local function take()
    at = at + 1
    return args[at - 1]
  end
  trims(prefix, take())
  local answers = {}
  for n = 1, tonumber(take()) do
    local c = { p = take(), text = take(), expect = take(), head = take(), tag = take(), header = take(), face = take(), body = take(),
      row = take(), blobs = {}, items = {}, consumed = {}, digests = {} }
    local warning, bit_ = take(), take()
    if warning ~= '' then c.warning, c.bit = warning, bit_ end
    for token in string.gmatch(take(), '%S+') do
      local h = string.match(token, '^h(%x+)$')
      if h then c.digests[h] = (c.digests[h] or 0) + 1 else c.consumed[token] = true end
    end
    if take() == '1' then c.identity = { take(), take(), take() } end
    for i = 1, tonumber(take()) do c.blobs[i] = { take(), take() } end
    for i = 1, tonumber(take()) do c.items[i] = { take(), take() } end
    local ok, answer = pcall(commit_one, s, c)
    if ok then
      answers[n] = answer
    else
      answers[n] = { 'error', type(answer) == 'table' and answer.err or tostring(answer) }
    end
  end
  finish(s, args[4])
  for _, run in ipairs(s.order) do run.last = nil end
  return { answers, s.earliest and string.format('%.0f', s.earliest) or '', s.order }
end

-- prefix, now, gateway, destination, source, torn, the id before, entries*. What came before is dropped; where
-- the ids do not meet, the caller must look again: others carry too, and its look may be old. Where it is sure that one
-- side was rolled back, it says by which last id it saw that (torn): where that still is the last, they are taken; with ! always.
local function deliver(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  local k = key(args[1], args[4])
  local last = redis.call('HGET', k .. 'oi', args[5]) or NONE
  local from
  if args[7] == last then from = 8 end
  for i = 8, #args do
    if id_of(args[i]) == last then from = i + 1 end
  end
  if not from and (args[6] == last or args[6] == '!') then from = 8 end
  if not from then return { 'gap', '', last } end
  for i = from, #args do arrive(s, args[4], (string.gsub(args[i], '^%d+ %S+ ', '', 1))) end
  redis.call('HSET', k .. 'oi', args[5], id_of(args[#args]))
  finish(s, args[3])
  return { 'ok', s.earliest and string.format('%.0f', s.earliest) or '', '' }
end

-- prefix, source, most, trims: what is still in the outbox, as runs.
local function outbox(_, args)
  trims(args[1], args[4])
  local k = key(args[1], args[2])
  local out = {}
  for _, dest in ipairs(redis.call('ZRANGE', k .. 'oa', 0, -1)) do
    local run = { args[2], dest, redis.call('HGET', k .. 'om', dest .. ' trimmed') or NONE }
    for _, entry in ipairs(redis.call('LRANGE', k .. 'o' .. dest, 0, tonumber(args[3]) - 1)) do run[#run + 1] = entry end
    if #run > 3 then out[#out + 1] = run else redis.call('ZREM', k .. 'oa', dest) end
  end
  return out
end

-- The first of each lane in a partition: { lane, due }. One look a lane that is in use, and one more.
local function firsts(k)
  local out, lane = {}, 0
  while lane < LANES do
    local first = redis.call('ZRANGEBYSCORE', k .. 'd', lane * LANE, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if not first[2] then break end
    lane = math.floor(tonumber(first[2]) / LANE)
    out[#out + 1] = { lane, tonumber(first[2]) - lane * LANE }
    lane = lane + 1
  end
  return out
end

-- The ripe records of some partitions, best lane first, then earliest: { lane, due, partition, record }.
local function ripe(s, parts, limit)
  local lanes = {}
  for _, p in ipairs(parts) do
    for _, f in ipairs(firsts(key(s.prefix, p))) do
      if f[2] <= s.now then
        lanes[f[1]] = lanes[f[1]] or {}
        table.insert(lanes[f[1]], p)
      end
    end
  end
  -- The partitions' queues are merged, each read in small pieces: a claim takes few of many.
  local picked, seen = {}, {}
  local size = math.ceil(limit / #parts) + 4
  local function fill(q, lane)
    q.rows = redis.call('ZRANGEBYSCORE', q.k .. 'd', lane * LANE, score(lane, s.now), 'WITHSCORES', 'LIMIT', q.offset, size)
    q.at, q.offset, q.due = 1, q.offset + size, tonumber(q.rows[2])
  end
  for lane = 0, LANES - 1 do
    local queues = {}
    for n, p in ipairs(lanes[lane] or {}) do
      queues[n] = { p = p, k = key(s.prefix, p), offset = 0 }
      fill(queues[n], lane)
    end
    while #picked < limit do
      local best
      for _, q in ipairs(queues) do
        if q.due and (not best or q.due < best.due) then best = q end
      end
      if not best then break end
      local text = string.sub(best.rows[best.at], 2)
      local name = best.p .. ' ' .. text
      if not seen[name] then
        seen[name] = true
        picked[#picked + 1] = { lane, best.due - lane * LANE, best.p, text }
      end
      best.at = best.at + 2
      if best.at > 2 * size then fill(best, lane) else best.due = tonumber(best.rows[best.at + 1]) end
    end
  end
  return picked
end

local function oldest_outbox(prefix, parts)
  local oldest
  for _, p in ipairs(parts) do
    local first = redis.call('ZRANGE', key(prefix, p) .. 'oa', 0, 0, 'WITHSCORES')
    if first[2] and (not oldest or tonumber(first[2]) < oldest) then oldest = tonumber(first[2]) end
  end
  return oldest and string.format('%.0f', oldest) or ''
end

-- prefix, now, partitions, limit, trims: { lane and due of each that is ripe }, since when the outbox waits.
local function peek(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  local parts = split(args[3])
  trims(args[1], args[5])
  for _, p in ipairs(parts) do end_leases(s, key(s.prefix, p)) end
  local out = {}
  for _, f in ipairs(ripe(s, parts, tonumber(args[4]))) do out[#out + 1] = f[1] .. ' ' .. string.format('%.0f', f[2]) end
  return { out, oldest_outbox(args[1], parts) }
end

local function lease(s, f, lease_end, nonce, most)
  local k, text = key(s.prefix, f[3]), f[4]
  local value = redis.call('GET', k .. 'r' .. text)
  local letters = redis.call('ZRANGE', k .. 'i' .. text, 0, -1)
  -- Its lane too where the record itself says another: it must not be found again and again.
  local listed = { f[1] .. text }
  for lane in pairs(reasons(value, letters)) do
    if lane ~= f[1] then listed[#listed + 1] = lane .. text end
  end
  redis.call('ZREM', k .. 'd', unpack(listed))
  redis.call('ZADD', k .. 'le', lease_end, text)
  redis.call('HSET', k .. 'ln', text, nonce)
  local row = { text, nonce, value or '' }
  for _, member in ipairs(letters) do
    if #row >= most + 3 then break end
    local _, _, ready, _, came = letter_head(member)
    if came or ready <= s.now then row[#row + 1] = member end
  end
  return row
end

-- prefix, now, partitions, limit, end of the lease, first digits of the nonces, most letters.
local function claim(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  local parts = split(args[3])
  for _, p in ipairs(parts) do end_leases(s, key(s.prefix, p)) end
  local out = {}
  for n, f in ipairs(ripe(s, parts, tonumber(args[4]))) do
    out[n] = lease(s, f, args[5], args[6] .. string.format('%03x', n), tonumber(args[7]))
  end
  return { out, oldest_outbox(args[1], parts) }
end

-- prefix, now, gateway, (partition, record, nonce, until)*
local function release(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  for i = 4, #args, 4 do
    local k, text = key(args[1], args[i]), args[i + 1]
    local lease = redis.call('HGET', k .. 'ln', text)
    if lease == args[i + 2] .. '+' then
      redis.call('ZREM', k .. 'le', text)
      redis.call('HDEL', k .. 'ln', text)
      relist(s, k, text)
    elseif lease == args[i + 2] then
      redis.call('HSET', k .. 'ln', text, '')
      redis.call('ZADD', k .. 'le', args[i + 3], text)
      note(s, tonumber(args[i + 3]))
    end
  end
  finish(s, args[3])
  return s.earliest and string.format('%.0f', s.earliest) or ''
end

-- prefix, now, partitions, trims: the next due or lease end, since when the outbox waits.
local function next_due(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  local parts = split(args[3])
  trims(args[1], args[4])
  local best
  for _, p in ipairs(parts) do
    local k = key(s.prefix, p)
    end_leases(s, k)
    local ends = redis.call('ZRANGE', k .. 'le', 0, 0, 'WITHSCORES')
    if ends[2] and (not best or tonumber(ends[2]) < best) then best = tonumber(ends[2]) end
    for _, f in ipairs(firsts(k)) do
      if not best or f[2] < best then best = f[2] end
    end
  end
  return { best and string.format('%.0f', best) or '', oldest_outbox(args[1], parts) }
end

-- prefix, kind, version expected, a name for this change, upserts (id, body)*, deletes*. The same change again
-- answers as it did before.
local function docs_apply(_, args)
  local k, kind, expect = key(args[1], 'c'), args[2], args[3]
  local version, by = string.match(redis.call('HGET', k .. 'V', kind) or '0 -', '^(%d+) (%S+)')
  local following = string.format('%.0f', tonumber(expect) + 1)
  if version == following and by == args[4] then
    -- A write nevertheless, for the WAIT behind it.
    redis.call('HSET', k .. 'V', kind, following .. ' ' .. by)
    return following
  end
  if version ~= expect then return '' end
  local upserts = tonumber(args[5])
  local name = k .. 'D' .. kind
  for i = 6 + 2 * upserts, #args do redis.call('HDEL', name, args[i]) end
  for i = 6, 5 + 2 * upserts, 2 do redis.call('HSET', name, args[i], args[i + 1]) end
  redis.call('HSET', k .. 'V', kind, following .. ' ' .. args[4])
  return following
end

-- prefix, sequence: its next number.
local function next_number(_, args)
  return string.format('%.0f', redis.call('HINCRBY', key(args[1], 'c') .. 'S', args[2], 1))
end

-- prefix, (sequence, number)*: numbers up to these were given already.
local function raise(_, args)
  local name = key(args[1], 'c') .. 'S'
  for i = 2, #args, 2 do
    if tonumber(redis.call('HGET', name, args[i]) or '0') < tonumber(args[i + 1]) then redis.call('HSET', name, args[i], args[i + 1]) end
  end
  return 'OK'
end

-- prefix, partition, time: a write of its own for the WAIT behind it, which so covers all that was written before.
local function mark(_, args)
  redis.call('SET', key(args[1], args[2]) .. 'fence', args[3])
  return 'OK'
end

-- prefix, (partition, record, heads with blanks between, as hex)*: for each record which of the heads stand in its
-- chain, as ones and noughts.
local function standing(_, args)
  local out = {}
  for i = 2, #args, 3 do
    local k, text = key(args[1], args[i]), args[i + 1]
    local wanted, at, left = split(args[i + 2]), {}, 0
    for n, h in ipairs(wanted) do
      if not at[h] then left = left + 1 end
      at[h] = n
    end
    local found = {}
    local function look(head)
      local h = string.gsub(head, '.', function(c) return string.format('%02x', string.byte(c)) end)
      if at[h] and not found[h] then
        found[h] = true
        left = left - 1
      end
    end
    local last = redis.call('GETRANGE', k .. 'r' .. text, 0, 15)
    local rows = last ~= '' and redis.call('LLEN', k .. 'j' .. text) or 0
    -- From the newest back: what is looked for is young.
    while left > 0 and rows > 0 do
      local from = math.max(0, rows - 16)
      for _, row in ipairs(redis.call('LRANGE', k .. 'j' .. text, from, rows - 1)) do look(string.sub(row, 9, 24)) end
      rows = from
    end
    local answer = {}
    for n, h in ipairs(wanted) do answer[n] = found[h] and '1' or '0' end
    out[#out + 1] = table.concat(answer)
  end
  return out
end

-- prefix, kind: version and documents of one moment.
local function docs(_, args)
  local k = key(args[1], 'c')
  local version = string.match(redis.call('HGET', k .. 'V', args[2]) or '0 -', '^%d+')
  return { version, redis.call('HGETALL', k .. 'D' .. args[2]) }
end

-- prefix, data format, partitions: what the store was made with, and the highest engine time it saw.
local function open(_, args)
  local k = key(args[1], 'c')
  redis.call('HSETNX', k .. 'meta', 'format', args[2])
  redis.call('HSETNX', k .. 'meta', 'partitions', args[3])
  local meta = redis.call('HMGET', k .. 'meta', 'format', 'partitions')
  return { meta[1], meta[2], redis.call('GET', k .. 'clock') or '' }
end

-- prefix, now (or ''): keeps the highest engine time, answers this server's own.
local function tick(_, args)
  local name = key(args[1], 'c') .. 'clock'
  local kept, now = redis.call('GET', name), tonumber(args[2])
  if now and (not kept or tonumber(kept) < now) then redis.call('SET', name, args[2]) end
  local time = redis.call('TIME')
  return { string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) }
end

-- Callouts of a warning with ordinals `from` to `to` that stand in some partitions, in order.
local function ordinals(prefix, parts, n, warning, from, to)
  local out, last = {}, -1
  local shift = warning % n
  for _, p in ipairs(parts) do
    local part = tonumber(p)
    if part then
      local name = key(prefix, p) .. 'c' .. string.format('%.0f', warning)
      local len = redis.call('STRLEN', name)
      last = math.max(last, len * 8 * n)
      local first_bit, last_bit = math.floor((from + shift) / n), math.floor((to + shift) / n)
      local first_byte = math.floor(first_bit / 8)
      local bytes = len > first_byte and redis.call('GETRANGE', name, first_byte, math.floor(last_bit / 8)) or ''
      for i = 1, #bytes do
        local byte = string.byte(bytes, i)
        if byte ~= 0 then
          for b = 0, 7 do
            if has(byte, 128 / 2 ^ b) then
              local ordinal = ((first_byte + i - 1) * 8 + b) * n + part - shift
              if ordinal >= from and ordinal <= to then out[#out + 1] = { ordinal, p } end
            end
          end
        end
      end
    end
  end
  table.sort(out, function(a, b) return a[1] < b[1] end)
  return out, last
end

-- prefix, partitions, how many there are, warning, from, to, limit, what (count, face, all), filter: state or '', tier or '',
-- first and end division or '', open, recipients ('' any, else '|' and a list). Answers rows, the last ordinal looked at,
-- and the highest there can be.
local function scan(_, args)
  local prefix, limit, what = args[1], tonumber(args[7]), args[8]
  local from, to = tonumber(args[5]), tonumber(args[6])
  local found, most = ordinals(prefix, split(args[2]), tonumber(args[3]), tonumber(args[4]), from, to)
  local state, tier = tonumber(args[9]), tonumber(args[10])
  local first, past = tonumber(args[11]), tonumber(args[12])
  local open = args[13] == '1'
  local people
  if args[14] ~= '' then
    people = {}
    for r in string.gmatch(args[14], '%d+') do people[tonumber(r)] = true end
  end
  local rows, sums, looked = {}, {}, to
  for _, f in ipairs(found) do
    local name = key(prefix, f[2]) .. 'rw' .. args[4] .. '-' .. string.format('%.0f', f[1])
    local value = redis.call('GETRANGE', name, 0, what == 'count' and HEADER - 1 or 219)
    if value ~= '' then
      local flags = string.byte(value, 26)
      local division = struct.unpack('>I8', value, 33)
      if (not state or string.byte(value, 27) == state) and (not tier or string.byte(value, 28) == tier)
        and (not first or (division >= first and division < past)) and (not open or has(flags, 16))
        and (not people or people[struct.unpack('>I4', value, 29)]) then
        if what == 'count' then
          local name_ = has(flags, 4) and 'told' or tostring(string.byte(value, 27))
          sums[name_] = (sums[name_] or 0) + 1
          if has(flags, 8) and not has(flags, 4) then sums.owed = (sums.owed or 0) + 1 end
        else
          local len = HEADER + struct.unpack('>I4', value, 41)
          if what == 'all' then
            value = redis.call('GET', name)
          elseif #value < len then
            value = redis.call('GETRANGE', name, 0, len - 1)
          else
            value = string.sub(value, 1, len)
          end
          rows[#rows + 1] = string.format('%.0f', f[1])
          rows[#rows + 1] = value
          if #rows >= 2 * limit then
            looked = f[1]
            break
          end
        end
      end
    end
  end
  for name, n in pairs(sums) do
    rows[#rows + 1] = name
    rows[#rows + 1] = tostring(n)
  end
  return { rows, looked, most }
end

-- prefix, partitions, warning: kept counts, one list a partition.
local function counts(_, args)
  local out = {}
  for _, p in ipairs(split(args[2])) do out[#out + 1] = redis.call('HGETALL', key(args[1], p) .. 'n' .. args[3]) end
  return out
end

-- prefix, partitions, fields of the kept counts ('' any): warnings that have callouts (with one of these counts).
local function called(_, args)
  local out = {}
  local fields = split(args[3])
  for _, p in ipairs(split(args[2])) do
    local k = key(args[1], p)
    for _, w in ipairs(redis.call('SMEMBERS', k .. 'cw')) do
      local some = #fields == 0
      if not some then
        for _, n in ipairs(redis.call('HMGET', k .. 'n' .. w, unpack(fields))) do some = some or n end
      end
      if some then out[#out + 1] = w end
    end
  end
  return out
end

-- prefix, partitions: letters waiting, one list a partition; open callouts without a clock.
local function depth(_, args)
  local out, clockless = {}, {}
  for _, p in ipairs(split(args[2])) do
    local k = key(args[1], p)
    out[#out + 1] = redis.call('HGETALL', k .. 'q')
    for _, text in ipairs(redis.call('SMEMBERS', k .. 'nc')) do clockless[#clockless + 1] = text end
  end
  return { out, clockless }
end

-- prefix, warning or '', open only, limit
local function tasks(_, args)
  local k, limit = key(args[1], 'c'), tonumber(args[4])
  local ids = redis.call('ZRANGE', k .. 'to' .. args[2], 0, limit - 1)
  if args[3] ~= '1' then
    for _, id in ipairs(redis.call('ZRANGE', k .. 'tc' .. args[2], 0, limit - 1)) do ids[#ids + 1] = id end
  end
  local out = {}
  for i = 1, math.min(#ids, limit) do out[i] = redis.call('HGET', k .. 't', ids[i]) end
  return out
end

-- prefix, cursor or '+inf', limit: records of warnings, newest first.
local function warnings(_, args)
  local k, out = key(args[1], 'c'), {}
  for _, w in ipairs(redis.call('ZREVRANGEBYSCORE', k .. 'w', args[2], '-inf', 'LIMIT', 0, args[3])) do
    out[#out + 1] = w
    out[#out + 1] = redis.call('GET', k .. 'rw' .. w)
  end
  return out
end

-- Moves (export.rs, import.rs). prefix, (partition, record)*: value, journal, letters, names of blobs of each.
local function dump(_, args)
  local out = {}
  for i = 2, #args, 2 do
    local k, text = key(args[1], args[i]), args[i + 1]
    out[#out + 1] = { redis.call('GET', k .. 'r' .. text) or '', redis.call('LRANGE', k .. 'j' .. text, 0, -1),
      redis.call('ZRANGE', k .. 'i' .. text, 0, -1), redis.call('HKEYS', k .. 'b' .. text) }
  end
  return out
end

-- A record as it stood elsewhere, where nothing stands under its name.
local function restore_record(s, take)
  local p, text, value, warning, bit_ = take(), take(), take(), take(), take()
  local k = key(s.prefix, p)
  for _ = 1, tonumber(take()) do redis.call('RPUSH', k .. 'j' .. text, take()) end
  if value ~= '' then
    redis.call('SET', k .. 'r' .. text, value)
    list(s, k, text, reasons(value, {}))
    if warning ~= '' and has(string.byte(value, 26), 2) then
      count_face(s, k, warning, value, 1)
      redis.call('SETBIT', k .. 'c' .. warning, bit_, 1)
      redis.call('SADD', k .. 'cw', warning)
      if stuck(value) then redis.call('SADD', k .. 'nc', text) end
    elseif warning == '' and string.match(text, '^w%d+$') then
      redis.call('ZADD', k .. 'w', string.sub(text, 2), string.sub(text, 2))
    end
  end
  for _ = 1, tonumber(take()) do arrive(s, p, take()) end
end

-- prefix, (R record | T task | F number, item)*, at times long past, so that letters keep theirs.
local function restore(_, args)
  local s = begin(args[1], -2 ^ 62, false)
  local at = 2
  local function take()
    at = at + 1
    return args[at - 1]
  end
  while at <= #args do
    local what = take()
    if what == 'R' then
      restore_record(s, take)
    elseif what == 'T' then
      arrive(s, 'c', take())
    else
      local n = take()
      redis.call('XADD', key(args[1], 'c') .. 'f', n .. '-0', 'i', take())
      redis.call('SET', key(args[1], 'c') .. 'fs', n)
    end
  end
  finish(s)
  return ''
end

redis.register_function('LIBRARY_commit', fenced(commit))
redis.register_function('LIBRARY_deliver', fenced(deliver))
redis.register_function('LIBRARY_next', fenced(next_number))
redis.register_function('LIBRARY_raise', fenced(raise))
redis.register_function('LIBRARY_mark', fenced(mark))
redis.register_function('LIBRARY_life', life)
redis.register_function('LIBRARY_outbox', outbox)
redis.register_function('LIBRARY_peek', peek)
redis.register_function('LIBRARY_claim', fenced(claim))
redis.register_function('LIBRARY_release', release)
redis.register_function('LIBRARY_next_due', next_due)
redis.register_function('LIBRARY_docs_apply', fenced(docs_apply))
redis.register_function('LIBRARY_open', open)
redis.register_function('LIBRARY_tick', tick)
local function reading(name, f)
  redis.register_function { function_name = name, callback = f, flags = { 'no-writes' } }
end
redis.register_function('LIBRARY_restore', restore)
reading('LIBRARY_dump', dump)
reading('LIBRARY_docs', docs)
reading('LIBRARY_standing', standing)
reading('LIBRARY_scan', scan)
reading('LIBRARY_counts', counts)
reading('LIBRARY_called', called)
reading('LIBRARY_depth', depth)
reading('LIBRARY_tasks', tasks)
reading('LIBRARY_warnings', warnings)
