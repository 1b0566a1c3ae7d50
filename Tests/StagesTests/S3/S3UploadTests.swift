import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@testable import NetKit

private let streaming = PeerScript("mosaicml_streaming.py")

@Suite(.needs(ObjectStore.isUsable, "needs Python with moto and boto3")) struct UploadS3Tests {
  private func dataSet(_ bench: TransferWorkbench, seed: UInt64 = 1) throws -> [ArtifactFile] {
    [
      try bench.file("index.json", Array("{\"shards\": \(seed)}".utf8)),
      try bench.file("shard.00000.mds", patterned(100_000, seed: seed)),
      try bench.file("shard.00001.mds", patterned(50_000, seed: seed + 1)), try bench.file("notes/空 白+.txt", [1, 2]),
      try bench.file("empty", []),
    ]
  }

  @Test func filesLandBelowThePrefixWithTheIndexLast() throws {
    let bench = try TransferWorkbench()
    let files = try dataSet(bench)
    let run = try bench.upload([("shards", files)]).run()
    let objects = try bench.objects()
    #expect(objects.count == 5)
    for file in files {
      let object = try #require(objects["set/\(file.name)"])
      #expect(object["sha256"]?.string == file.digest.hex && object["metadata"]?["sha256"]?.string == file.digest.hex)
    }
    #expect(objects["set/empty"]?["checksum"]?.string == Checksummer.checksum([], .sha256).base64)
    let requests = try bench.store.requests().prefix { !$0.headers.text().contains("Boto3") }
    let puts = requests.filter { $0.method == "PUT" }
    #expect(puts.count == 5 && puts.last?.path == "/corpus/set/index.json")
    let order = requests.map { "\($0.method) \($0.path)" }
    #expect(order.suffix(3) == ["GET /corpus/", "HEAD /corpus/set/index.json", "PUT /corpus/set/index.json"])
    #expect(try run.actions().values.allSatisfy { $0 == "sent" } && run.actions().count == 5)
    #expect(run.metrics["sentFiles"] == 5 && run.metrics["sentBytes"] == Double(files.reduce(0) { $0 + $1.bytes }))
  }

  /// Swift holds their names equal; a bucket does not.
  @Test func composedAndDecomposedNamesAreTwoObjects() throws {
    let bench = try TransferWorkbench()
    let files = try [
      bench.file("\u{304C}.txt", [1]), bench.file("\u{304B}\u{3099}.txt", [2]), bench.file("caf\u{E9}", [3]),
      bench.file("cafe\u{301}", [4]), bench.file("index.json", [5]),
    ]
    let run = try bench.upload([("texts", files)]).run()
    #expect(run.metrics["sentFiles"] == 5)
    let down = try bench.download(["from": "s3://corpus/set"]).run()
    #expect(Set(down.files("files").map { ExactText($0.name) }) == Set(files.map { ExactText($0.name) }))
    #expect(try Set(down.files("files").map { try FileSystem.read($0.path) }) == [[1], [2], [3], [4], [5]])
  }

  @Test func whatIsThereIsSkippedAndAnotherContentReplaced() throws {
    let bench = try TransferWorkbench()
    try bench.upload([("shards", dataSet(bench))]).run()
    try bench.store.forget()
    let again = try bench.upload([("shards", dataSet(bench))]).run()
    #expect(try bench.store.sent().isEmpty && again.actions().values.allSatisfy { $0 == "skipped" })

    var changed = try dataSet(bench)
    changed[0] = try bench.file("index.json", Array("{\"shards\": 2}".utf8))
    changed[2] = try bench.file("shard.00001.mds", patterned(50_000, seed: 9))
    let dry = try bench.upload([("shards", changed)], ["dryRun": true]).run()
    #expect(try dry.actions()["shard.00001.mds"] == "would-replace" && dry.actions()["empty"] == "skipped")
    #expect(try bench.store.sent().isEmpty)
    let refusing = try bench.upload([("shards", changed)], ["existing": "refuse"])
    #expect(
      bench.sentence { try refusing.run() }
        == "s3://corpus/set/shard.00001.mds: exists with different content. Choose another place, or set \"existing\" to "
        + "\"replace\".")
    try bench.upload([("shards", changed)]).run()
    #expect(try bench.store.sent().map(\.path) == ["/corpus/set/shard.00001.mds", "/corpus/set/index.json"])
  }

  /// Keys that may write and read, but not list: a head of what is not there is refused, and says nothing of why.
  @Test func keysThatMayNotListCanUpload() throws {
    let bench = try TransferWorkbench()
    let one = try bench.file("a.bin", [1])
    try bench.store.fault("HEAD /corpus/set/a.bin", ["status": 403])
    try bench.store.fault("list-type=2", ["status": 403, "code": "InvalidAccessKeyId"])
    #expect(
      bench.sentence { try bench.upload([("s", [one])]).run() }
        == "s3://corpus: the server does not know the access key. Check the keys, and \"endpoint\".")
    let denied: JSONValue = ["status": 403, "code": "AccessDenied"]
    try bench.store.fault("HEAD /corpus/set/a.bin", ["status": 403])
    try bench.store.fault("list-type=2", denied)
    #expect(
      bench.sentence { try bench.upload([("s", [one])], ["existing": "refuse"]).run() }
        == "existing: cannot check whether s3://corpus/set/a.bin exists: the keys may not list the bucket. Allow "
        + "s3:ListBucket, or set \"existing\" to \"replace\".")
    try bench.store.fault("HEAD /corpus/set/a.bin", ["status": 403])
    try bench.store.fault("list-type=2", denied, denied)
    try bench.upload([("s", [one])]).run()
    #expect(try bench.objects()["set/a.bin"]?["bytes"]?.integer == 1)
  }

  @Test func severalArtifactsLieInFoldersOfTheirStages() throws {
    let bench = try TransferWorkbench()
    let one = try bench.file("index.json", [1])
    let two = try bench.file("index.json", [2])
    try bench.upload([("train", [one]), ("test", [two])], ["to": "s3://corpus"]).run()
    #expect(try bench.objects().keys.sorted() == ["test/index.json", "train/index.json"])
    try bench.upload([("train", [one])], ["layout": "folders"]).run()
    #expect(try bench.objects()["set/train/index.json"] != nil)
    #expect(
      bench.sentence { try bench.upload([("train", [one]), ("test", [two])], ["layout": "flat"]).run() }
        == "layout: 'index.json' would be written twice, by 'train' and by 'test'. Use \"folders\", or upload them to "
        + "different places.")
  }

  /// The third part is refused at first; the next attempt sends what is missing and nothing else, though the log of the
  /// second part is torn and the answer of the fourth was lost.
  @Test func aFailedUploadGoesOnByPart() throws {
    let bench = try TransferWorkbench()
    let file = try bench.file("large.bin", patterned((22 << 20) + 77))
    let options: JSONValue = ["partBytes": 5_242_880, "partsAtOnce": 1, "attempts": 1]
    try bench.store.fault("partNumber=3", ["status": 403, "code": "AccessDenied"])
    let harness = try bench.upload([("shards", [file])], options)
    #expect(bench.sentence { try harness.run() }.contains("s3://corpus/set/large.bin: the server does not allow this"))
    #expect(try bench.store.sent().count == 2)
    #expect(try bench.objects().isEmpty, "nothing shows before it is whole")
    let logs = try FileSystem.walk(harness.directory + "/node/.state").filter { $0.hasSuffix(".jsonl") }
    let log = try #require(logs.first.map { harness.directory + "/node/.state/" + $0 })
    let text = try FileSystem.read(log)
    try FileSystem.write(Array(text.dropLast(30)), to: log)
    try bench.store.fault("partNumber=4", ["lose": true])
    #expect(bench.sentence { try harness.run() }.contains("large.bin"))
    try harness.run()
    let parts = try bench.store.sent().map(\.query).filter { $0.contains("partNumber") }
      .map { $0.split(separator: "&").first { $0.hasPrefix("partNumber") }.map(String.init) ?? "" }
    #expect(parts == (1...5).map { "partNumber=\($0)" }, "each part once")
    #expect(try bench.objects()["set/large.bin"]?["sha256"]?.string == file.digest.hex)
    #expect(PeerScript.objects.run(bench.store.origin, "uploads", "corpus") == [], "no upload is left open")
  }

  /// Its answer was lost, and for a while the service shows neither the upload nor the object.
  @Test func aCompletionUnderWayIsWaitedFor() throws {
    let bench = try TransferWorkbench()
    let file = try bench.file("large.bin", patterned(11 << 20))
    let harness = try bench.upload([("shards", [file])], ["partBytes": 5_242_880, "attempts": 1])
    try bench.store.fault("POST /corpus/set/large.bin?uploadId", ["lose": true])
    #expect(bench.sentence { try harness.run() } != "no error")
    try bench.store.fault("HEAD /corpus/set/large.bin", ["status": 404], ["status": 404])
    try harness.run()
    #expect(try bench.store.sent().count == 3)
    #expect(try harness.actions() == ["large.bin": "skipped"])
    #expect(try bench.objects()["set/large.bin"]?["sha256"]?.string == file.digest.hex)
  }

  @Test func anUploadThatTheServiceForgotBeginsAnew() throws {
    let bench = try TransferWorkbench()
    let file = try bench.file("large.bin", patterned(11 << 20))
    let options: JSONValue = ["partBytes": 5_242_880, "partsAtOnce": 1, "attempts": 1]
    try bench.store.fault("partNumber=2", ["status": 403, "code": "AccessDenied"])
    let harness = try bench.upload([("shards", [file])], options)
    #expect(bench.sentence { try harness.run() } != "no error")
    let upload = try #require(PeerScript.objects.run(bench.store.origin, "uploads", "corpus"))
    let id = try #require(try JSONValue.parse(upload).value["id"]?.string)
    #expect(PeerScript.objects.run(bench.store.origin, "abort", "corpus", "set/large.bin", id) != nil)
    try harness.run()
    #expect(try bench.objects()["set/large.bin"]?["sha256"]?.string == file.digest.hex)
  }

  @Test func partsGoSideBySide() throws {
    let bench = try TransferWorkbench()
    let file = try bench.file("large.bin", patterned(21 << 20))
    let run = try bench.upload([("shards", [file])], ["partBytes": 5_242_880, "partsAtOnce": 5]).run()
    #expect(run.metrics["sentParts"] == 5)
    let numbers = try bench.store.sent().map(\.query)
    #expect(Set(numbers).count == 5)
    #expect(try bench.objects()["set/large.bin"]?["sha256"]?.string == file.digest.hex)
  }

  @Test func theIndexWaitsForWhatIsMissing() throws {
    let bench = try TransferWorkbench()
    // It is listed as if someone had removed it meanwhile.
    let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    try bench.store.fault("list-type=2", ["status": 200, "body": .string(empty)])
    #expect(
      bench.sentence { try bench.upload([("shards", dataSet(bench))]).run() }
        == "s3://corpus/set/empty: was uploaded, but no longer exists. Make sure that nobody else writes there, then "
        + "set another \"snapshot\".")
    #expect(try bench.objects()["set/index.json"] == nil)
    // Whoever may not list asks for each.
    try bench.store.fault("list-type=2", ["status": 403, "code": "AccessDenied"])
    try bench.upload([("shards", dataSet(bench))]).run()
    #expect(try bench.objects()["set/index.json"] != nil)
  }

  @Test func aFileThatIsNoLongerWhatItWasIsNotSent() throws {
    let bench = try TransferWorkbench()
    let file = try bench.file("a", [1, 2, 3])
    try FileSystem.write([3, 2, 1], to: file.path)
    #expect(
      bench.sentence { try bench.upload([("shards", [file])]).run() }.replacing(file.path, with: "FILE")
        == "FILE: has changed since it was written. Check the store with `pipeline verify`.")
    #expect(try bench.store.sent().isEmpty)
  }

  @Test func wrongOptionsAreNamed() {
    func sentence(_ options: JSONValue) -> String {
      do { _ = try StageHarness(S3Upload.self, options: options) } catch { return "\(error)" }
      return "no error"
    }
    #expect(sentence(["to": "corpus/set"]).contains("'corpus/set' is not a valid S3 location"))
    #expect(sentence(["to": "s3://corpus", "partBytes": "1MiB"]).contains("is not between"))
    #expect(
      sentence(["to": "s3://corpus", "endpoint": "https://a:b@c"]).contains("an endpoint must not contain a password"))
  }

  @Test(.needs(streaming.isUsable, "needs Python with mosaicml-streaming"))
  func mosaicmlStreamingReadsFromTheBucket() throws {
    let bench = try TransferWorkbench()
    let write = try StageHarness(MDSWrite.self, options: ["shardBytes": 4096])
    let documents = (0..<60).map { Document(id: "文書-\($0)", text: String(repeating: "長い文。", count: $0)) }
    try write.add(documents: [documents])
    try write.run()
    try bench.upload([("shards", write.files("mds"))]).run()
    let output = try #require(
      streaming.run(
        "s3://corpus/set", bench.folder + "/local", bench.store.origin, ObjectStore.accessKey, ObjectStore.secretKey))
    let ids = output.split(separator: 10).map { (try? JSONValue.parse(Array($0)).value)?["id"]?.string }
    #expect(ids == documents.map(\.idString))

    let back = try bench.download(["from": "s3://corpus/set/"]).run()
    #expect(back.files("files").map(\.digest) == write.files("mds").map(\.digest))
    let read = try StageHarness(MDSRead.self)
    read.add(files: back.files("files"), to: "files")
    try read.run()
    #expect(try read.documents().map(\.id) == documents.map(\.id))
  }
}
