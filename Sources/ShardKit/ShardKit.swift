// ShardKit
