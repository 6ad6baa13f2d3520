-- The read side (reports.rs).

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

reading('LIBRARY_scan', scan)
reading('LIBRARY_counts', counts)
reading('LIBRARY_called', called)
reading('LIBRARY_depth', depth)
reading('LIBRARY_tasks', tasks)
reading('LIBRARY_warnings', warnings)
