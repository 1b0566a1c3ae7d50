import ShardKit
import TestKit
import Testing

private let roundtrip = PeerScript("s3_roundtrip.py")

/// Shards to a bucket and back, killed twice each way. The script checks digests, that no part that had arrived was sent
/// again, and that no key stands in the store.
@Suite(.needs(ObjectStore.isUsable && roundtrip.isUsable, "needs Python with moto and boto3"))
struct S3KillTests {
  @Test func killedUploadsAndDownloadsGoOn() throws {
    let program = packagePath(".build/debug/pipeline")
    let output = try #require(
      roundtrip.run(program, "--mebibytes", "96", "--shard", "24", "--part", "5"), "see what the script says above")
    let figures = try JSONValue.parse(output).value
    // What the service was still taking in when it was asked anew may go twice; what had arrived may not.
    #expect(figures["puts"]?.integer == 21 + (figures["overlapping"]?.integer ?? 0))
    #expect(figures["kills"]?.integer == 4)
  }
}
