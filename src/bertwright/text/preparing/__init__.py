"""Documents → shards, on all cores, resumable shard by shard."""
