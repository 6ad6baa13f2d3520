-- The control partition: documents, numbers, the clock; and what a repair asks (lives.rs, replay.rs).

-- Changes of a kind of documents whose names are kept.
local CHANGES = 1000

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
  -- Heartbeats are not repaired.
  if kind ~= 'gateway' then
    redis.call('RPUSH', k .. 'v' .. kind, following .. ' ' .. args[4])
    redis.call('LTRIM', k .. 'v' .. kind, -CHANGES, -1)
  end
  return following
end

-- prefix, kind, version: the name of the change that made it; '' where that is not known any more, or an older gateway made it.
local function docs_made(_, args)
  local k = key(args[1], 'c')
  local all = redis.call('LRANGE', k .. 'v' .. args[2], 0, -1)
  all[#all + 1] = redis.call('HGET', k .. 'V', args[2])
  for i = #all, 1, -1 do
    local version, by = string.match(all[i] or '', '^(%d+) (%S+)')
    if version == args[3] then return by end
  end
  return ''
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

-- prefix, data format, partitions, an id: what the store was made with (an emptied one is made anew, with another
-- id), and the highest engine time it saw.
local function open(_, args)
  local k = key(args[1], 'c')
  redis.call('HSETNX', k .. 'meta', 'format', args[2])
  redis.call('HSETNX', k .. 'meta', 'partitions', args[3])
  redis.call('HSETNX', k .. 'meta', 'store', args[4])
  local meta = redis.call('HMGET', k .. 'meta', 'format', 'partitions', 'store')
  return { meta[1], meta[2], redis.call('GET', k .. 'clock') or '', meta[3] }
end

-- prefix, now (or ''), the most between two ticks: keeps the highest engine time, answers this server's own and how
-- long nobody ticked here, because the store or all gateways were away: no record aged meanwhile.
local function tick(_, args)
  local k = key(args[1], 'c')
  local kept, now = tonumber(redis.call('GET', k .. 'clock') or ''), tonumber(args[2])
  if now and (not kept or kept < now) then
    redis.call('SET', k .. 'clock', args[2])
    local away = kept and args[3] and now - kept - tonumber(args[3]) or 0
    if away > 0 then redis.call('HINCRBY', k .. 'meta', 'away', string.format('%.0f', away)) end
  end
  local time = redis.call('TIME')
  return { string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), redis.call('HGET', k .. 'meta', 'away') or '0' }
end

redis.register_function('LIBRARY_next', fenced(next_number))
redis.register_function('LIBRARY_raise', fenced(raise))
redis.register_function('LIBRARY_mark', fenced(mark))
redis.register_function('LIBRARY_docs_apply', fenced(docs_apply))
redis.register_function('LIBRARY_open', open)
redis.register_function('LIBRARY_tick', tick)
reading('LIBRARY_docs', docs)
reading('LIBRARY_docs_made', docs_made)
reading('LIBRARY_standing', standing)
