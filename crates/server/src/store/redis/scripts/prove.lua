-- Whether scripts may write. KEYS: a key of no meaning.
redis.call('SET', KEYS[1], '1', 'PX', 60000)
return 1
