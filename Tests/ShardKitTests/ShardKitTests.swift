// ShardKitTests
