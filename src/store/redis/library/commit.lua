-- Commits (commit.rs).

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

-- "source destination id;"*: entries of outboxes that have arrived, up to this one.
local function trims(prefix, text)
  for p, dest, upto in string.gmatch(text, '(%S+) (%S+) (%d+ %S+);') do trim(prefix, p, dest, upto) end
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

redis.register_function('LIBRARY_commit', fenced(commit))
