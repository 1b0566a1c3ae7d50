import PipelineKit
import ShardKit
@testable import Stages
import TestKit
import Testing

@Suite(.needs(ObjectStore.isUsable, "needs Python with moto and boto3")) struct S3DownloadTests {
  private func put(_ bench: TransferWorkbench, _ key: String, _ content: [UInt8]) throws {
    let path = bench.folder + "/put"
    try FileSystem.write(content, to: path)
    #expect(PeerScript.objects.run(bench.store.origin, "put", "corpus", key, path) != nil)
  }

  /// Among them one that boto3 sent in parts, and one with a name of spaces and Japanese.
  @Test func whatBoto3WroteIsFetched() throws {
    let bench = try TransferWorkbench()
    let large = patterned(20 << 20)
    try put(bench, "data/a/large.bin", large)
    try put(bench, "data/日本 語+.jsonl", Array("{\"id\":\"1\",\"text\":\"本文\"}\n".utf8))
    try put(bench, "data/empty", [])
    try put(bench, "database/other", [1])
    let run = try bench.download(["from": "s3://corpus/data", "requesterPays": true]).run()
    #expect(try bench.store.requests().last?.headers["x-amz-request-payer"]?.string == "requester")
    #expect(run.files("files").map(\.name) == ["a/large.bin", "empty", "日本 語+.jsonl"])
    #expect(run.files("files")[0].digest == Digester.digest(large))
    let read = try StageHarness(DocumentsRead.self)
    read.add(files: run.files("files").filter { $0.name.hasSuffix(".jsonl") }, to: "files")
    #expect(try read.run().documents().map(\.textString) == ["本文"])

    #expect(
      try bench.download(["from": "s3://corpus/data/", "match": .strings(["*.jsonl", "emp?y"])]).run().files("files")
        .map(\.name) == ["empty", "日本 語+.jsonl"])
    #expect(
      try bench.download(["from": "s3://corpus/data/a/large.bin"]).run().files("files").map(\.name) == ["large.bin"])
    #expect(
      bench.sentence { try bench.download(["from": "s3://corpus/dat"]).run() }
        == "s3://corpus/dat: has no objects. Check the bucket, the prefix and \"match\".")
    #expect(
      bench.sentence { try bench.download(["from": "s3://corpus/data", "maximumBytes": 1000]).run() }
        == "s3://corpus/data/a/large.bin: has 20971520 bytes; the limit is 1000. Raise \"maximumBytes\", or exclude it "
        + "with \"match\".")
  }

  /// Otherwise ten objects of a bucket of millions cost thousands of questions.
  @Test func onlyWhatMatchesMayBeginWithIsListed() throws {
    #expect(ObjectListing.commonBeginning(of: []) == "")
    #expect(ObjectListing.commonBeginning(of: ["PMC100*.xml", "PMC1?", "PMC1[0]"]) == "PMC1")
    #expect(ObjectListing.commonBeginning(of: ["日*", "月*"]) == "")
    let bench = try TransferWorkbench()
    for key in ["data/a1", "data/a2", "data/b1"] { try put(bench, key, [1]) }
    try bench.store.forget()
    let run = try bench.download(["from": "s3://corpus/data", "match": .strings(["a*"])]).run()
    #expect(run.files("files").map(\.name) == ["a1", "a2"])
    #expect(
      try bench.store.requests().contains {
        $0.query.contains("prefix=data%2Fa&") || $0.query.hasSuffix("prefix=data%2Fa")
      })
  }

  @Test func keysThatMakeNoFileAreNamed() throws {
    let bench = try TransferWorkbench()
    try put(bench, "a/b", [1])
    try put(bench, "a/b/c", [2])
    #expect(
      bench.sentence { try bench.download(["from": "s3://corpus/a"]).run() }
        == "s3://corpus/a/b/c: its key uses another object as a folder. Exclude one of them with \"match\".")
    #expect(
      bench.sentence { try bench.download(["from": "s3://corpus/a", "maximumObjects": 1]).run() }.contains(
        "has more than 1 objects"))
  }

  @Test func aBrokenDownloadGoesOnByRange() throws {
    let bench = try TransferWorkbench()
    let content = patterned(3 << 20)
    try put(bench, "data/a", content)
    let harness = try bench.download(["from": "s3://corpus/data", "attempts": 2])
    try bench.store.forget()
    try bench.store.fault("GET /corpus/data/a", ["cut": 1_000_000])
    try harness.run()
    #expect(harness.files("files").map(\.digest) == [Digester.digest(content)])
    let sent = try bench.store.requests().filter { $0.method == "GET" && $0.path == "/corpus/data/a" }.map(\.sent)
    #expect(sent.count == 2 && sent[1] == content.count - 1_000_000, "\(sent)")
    #expect(harness.warnings["asked-again"] == 1)
  }

  @Test func anotherVersionThanTheListedOneIsAnError() throws {
    let bench = try TransferWorkbench()
    try put(bench, "data/a", [1, 2, 3])
    let listed =
      "<ListBucketResult><Contents><Key>data/a</Key><Size>3</Size><ETag>&quot;0&quot;</ETag></Contents></ListBucketResult>"
    try bench.store.fault("list-type=2", ["status": 200, "body": .string(listed)])
    #expect(
      bench.sentence { try bench.download(["from": "s3://corpus/data"]).run() }
        == "s3://corpus/data/a: was replaced or removed after the listing. Set another \"snapshot\" to list again."
    )
  }
}
