-- What the archive asks (shelf.rs). Beside the keys of head.lua there is
--   x<w>  string: the attempt by which a warning's records here are being forgotten. Who brings it back takes it away, and
--         what a paused gateway sends of that attempt later does nothing.

-- Why a record cannot go: it is not as archived, or something waits for it. Gone already is well.
local function stays(k, text, head)
  local is = redis.call('GETRANGE', k .. 'r' .. text, 0, 15)
  if is ~= '' and is ~= head then return text .. ' is not as it was archived' end
  if redis.call('EXISTS', k .. 'i' .. text) == 1 then return 'a letter waits for ' .. text end
  local lease = redis.call('HGET', k .. 'ln', text)
  if lease and lease ~= '' then return text .. ' is being worked' end
end

local function drop(k, text)
  redis.call('DEL', k .. 'r' .. text, k .. 'j' .. text, k .. 'b' .. text)
  redis.call('HDEL', k .. 'ln', text)
  redis.call('ZREM', k .. 'le', text)
  redis.call('SREM', k .. 'nc', text)
end

-- prefix, partition, warning, token, (record, head)*: looks at records, and marks that they are about to go.
local function mark_leaving(_, args)
  local k = key(args[1], args[2])
  for i = 5, #args, 2 do
    if redis.call('EXISTS', k .. 'r' .. args[i]) == 0 then return args[i] .. ' is gone' end
    local why = stays(k, args[i], args[i + 1])
    if why then return why end
  end
  redis.call('SET', k .. 'x' .. args[3], args[4])
  return ''
end

-- prefix, warning, token, head: the warning's own record and its tasks, all or nothing.
local function leave(_, args)
  local k, w = key(args[1], 'c'), args[2]
  local text = 'w' .. w
  -- Gone already: the answer was lost.
  if redis.call('EXISTS', k .. 'r' .. text) == 0 then return '' end
  if redis.call('GET', k .. 'x' .. w) ~= args[3] then return 'it was begun anew' end
  local why = stays(k, text, args[4])
  if why then return why end
  if redis.call('EXISTS', k .. 'to' .. w) == 1 then return 'a task of ' .. text .. ' is open' end
  for _, id in ipairs(redis.call('ZRANGE', k .. 'tc' .. w, 0, -1)) do
    redis.call('HDEL', k .. 't', id)
    redis.call('ZREM', k .. 'tc', id)
  end
  redis.call('DEL', k .. 'tc' .. w, k .. 'x' .. w)
  drop(k, text)
  redis.call('ZREM', k .. 'w', w)
  return ''
end

-- prefix, partition, warning, token, last, (record, head, bit or '')*: records that were marked by this token.
local function forget(_, args)
  local s = begin(args[1], 0, false)
  local k, w = key(args[1], args[2]), args[3]
  local token = redis.call('GET', k .. 'x' .. w)
  -- All gone, and the mark with them: the answer was lost.
  if not token then
    for i = 6, #args, 3 do
      if redis.call('EXISTS', k .. 'r' .. args[i]) == 1 then return 'it was brought back' end
    end
    return ''
  end
  if token ~= args[4] then return 'it was begun anew' end
  for i = 6, #args, 3 do
    local why = stays(k, args[i], args[i + 1])
    if why then return why end
  end
  for i = 6, #args, 3 do
    local value = redis.call('GETRANGE', k .. 'r' .. args[i], 0, HEADER - 1)
    if value ~= '' then
      if args[i + 2] ~= '' and has(string.byte(value, 26), 2) then
        count_face(s, k, w, value, -1)
        redis.call('SETBIT', k .. 'c' .. w, args[i + 2], 0)
      end
      drop(k, args[i])
    end
  end
  finish(s)
  if args[5] == '1' then
    redis.call('DEL', k .. 'x' .. w)
    if redis.call('EXISTS', k .. 'n' .. w) == 0 and redis.call('BITCOUNT', k .. 'c' .. w) == 0 then
      redis.call('DEL', k .. 'c' .. w)
      redis.call('SREM', k .. 'cw', w)
    end
  end
  return ''
end

-- prefix, now, gateway, partition, warning, (record, value, bit or '', how many rows, rows)*: those that are not there.
local function take_in(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  local k, w, at = key(args[1], args[4]), args[5], 6
  local function take()
    at = at + 1
    return args[at - 1]
  end
  redis.call('DEL', k .. 'x' .. w)
  while at <= #args do
    local text, value, bit_ = take(), take(), take()
    local rows = tonumber(take())
    if redis.call('EXISTS', k .. 'r' .. text) == 1 then
      at = at + rows
    else
      redis.call('DEL', k .. 'j' .. text)
      for _ = 1, rows do redis.call('RPUSH', k .. 'j' .. text, take()) end
      redis.call('SET', k .. 'r' .. text, value)
      -- A letter may have come for it; leased, it is listed when the lease ends.
      if redis.call('HEXISTS', k .. 'ln', text) == 0 then relist(s, k, text) end
      if bit_ ~= '' and has(string.byte(value, 26), 2) then
        count_face(s, k, w, value, 1)
        redis.call('SETBIT', k .. 'c' .. w, bit_, 1)
        redis.call('SADD', k .. 'cw', w)
        if stuck(value) then redis.call('SADD', k .. 'nc', text) end
      elseif args[4] == 'c' then
        redis.call('ZADD', k .. 'w', w, w)
      end
    end
  end
  finish(s, args[3])
  return ''
end

redis.register_function('LIBRARY_mark_leaving', fenced(mark_leaving))
redis.register_function('LIBRARY_leave', fenced(leave))
redis.register_function('LIBRARY_forget', fenced(forget))
redis.register_function('LIBRARY_take_in', fenced(take_in))
