"""What Redis does in one step, as Lua: nothing comes between the looking and the writing.

Keys and arguments are bytes. Only what Redis has had since version 5 is used.
"""

from .keys import MOMENT_BYTES

SET_MANY = """
local call, begins, older, seconds = redis.call, ARGV[1], ARGV[2], ARGV[3]
local removed = 0
for place, key in ipairs(KEYS) do
  call('SET', begins .. key, ARGV[place + 3], 'EX', seconds)
  if older ~= '' then removed = removed + call('UNLINK', older .. key) end
end
return removed
"""
"""KEYS: users or products; ARGV: what the keys to write begin with, what those to remove do (nothing for none), seconds
until they expire, and a value for each. How many were removed."""

PUBLISH = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and cjson.decode(known)[1] > ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""
"""KEYS: the hash of publications; ARGV: a view, its order, its publication. 0 where there is a later one."""

SET_NEWER = f"""
local known = redis.call('GETRANGE', KEYS[1], 0, {MOMENT_BYTES - 1})
if known >= string.sub(ARGV[1], 1, {MOMENT_BYTES}) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
"""KEYS: a key of the stream; ARGV: a value behind its moment, seconds until it expires. 0 where it is no news."""

DECIDE = f"""
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and string.sub(known, 1, {MOMENT_BYTES}) >= string.sub(ARGV[2], 1, {MOMENT_BYTES}) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('INCR', KEYS[2])
return 1
"""
"""KEYS: the decisions about a purpose, their counter; ARGV: a user, a decision. 0 where it is no news."""
