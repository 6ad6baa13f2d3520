-- What is on its way between partitions on different servers (outbox.rs).

local function number_of(id)
  return tonumber(string.match(id, '^%d+'))
end

-- What a gateway carried here in the life `before` and others have gone on past: taken are the entries that this life did
-- not begin with. Where that is not known (it was away for more than one life), all are: twice is allowed, never is not.
local function late(s, args, before)
  local k = key(args[1], args[4])
  local is = string.match(redis.call('GET', k .. 'life') or '', '^%S+') or '-'
  local seen = redis.call('HGET', k .. 'ol', 'lives') == before .. ' ' .. is and redis.call('HGET', k .. 'ol', args[5]) or NONE
  local taken = 0
  for i = 8, #args do
    if number_of(args[i]) > number_of(seen) then
      arrive(s, args[4], (string.gsub(args[i], '^%d+ %S+ ', '', 1)), true)
      taken = taken + 1
    end
  end
  finish(s, args[3])
  return { 'late', s.earliest and string.format('%.0f', s.earliest) or '', tostring(taken) }
end

-- prefix, now, gateway, destination, source, torn, the id before, entries*. What came before is dropped; where
-- the ids do not meet, the caller must look again: others carry too, and its look may be old. Where it is sure that one
-- side was rolled back, it says by which last id it saw that (torn): where that still is the last, they are taken; with ! always.
-- With "late <life>" it says in which life it carried them: see `late`.
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
  local before = string.match(args[6], '^late (%S+)$')
  if not from and before and number_of(last) >= number_of(args[#args]) then return late(s, args, before) end
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

redis.register_function('LIBRARY_deliver', fenced(deliver))
redis.register_function('LIBRARY_outbox', outbox)
