import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

private let peer = PeerScript("token_exports.py")

@Suite(.needs(peer.isUsable, "needs Python with megatron-core and webdataset"))
struct TokenizerExportTests {
  private static let documents = (0..<40).map { i in
    Document(id: "文書-\(i)", text: String(repeating: "猫は港で本を読む。\(i)番。", count: 1 + i % 7))
  }

  private func tokens(_ options: JSONValue) throws -> StageHarness {
    let trained = try StageHarness(TokenizerTrain.self, options: ["vocabularySize": 100])
    try trained.add(documents: [Self.documents])
    try trained.run()
    let harness = try StageHarness(TokenizerEncode.self, options: options)
    harness.add(files: trained.files("tokenizer"), to: "tokenizer", from: "tokenizer")
    try harness.add(documents: [Array(Self.documents[..<25]), Array(Self.documents[25...])])
    return try harness.run()
  }

  private func export(_ tokens: StageHarness, _ options: JSONValue) throws -> StageHarness {
    let harness = try StageHarness(TokenizerExport.self, options: options)
    harness.add(files: tokens.files("tokens"), to: "tokens")
    try harness.run()
    #expect(harness.ledger.imbalance == 0)
    return harness
  }

  /// Tokens and documents of each sample.
  private func samples(_ tokens: StageHarness) throws -> [[JSONValue]] {
    let index = try #require(tokens.files("tokens").first { $0.name == "index.json" })
    let reader = try MDSReader(directory: ArchivePath.folder(of: index.path))
    return try reader.index.shards.indices.flatMap { number in
      let shard = try reader.shard(number)
      return try (0..<shard.samples).map { sample in
        let ids = try shard.array(1, of: sample).elements(UInt16.self)
        let documents = try JSONValue.parse(Array(shard.value(0, of: sample))).value
        return [.list(ids.map { .integer(Int($0)) }), documents]
      }
    }
  }

  private func lines(_ arguments: String...) throws -> [JSONValue] {
    try #require(peer.run(arguments)).split(separator: 10).map { try JSONValue.parse(Array($0)).value }
  }

  @Test func megatronReadsSequencesAndDocuments() throws {
    let tokens = try tokens(["sequenceLength": 16])
    let written = try export(tokens, ["format": "megatron"])
    #expect(written.files("files").map(\.name) == ["00000.bin", "00000.documents.jsonl", "00000.idx"])
    let expected = try samples(tokens)
    let read = try lines("megatron", String(written.files("files")[0].path.dropLast(4)))
    #expect(read.dropLast() == expected.map { $0[0] }[...])
    // A document longer than a sequence is several sequences.
    let begins = expected.indices.filter { expected[$0][1].array?.first?.array?[1] == 0 } + [expected.count]
    #expect(read.last == .list(begins.map { .integer($0) }) && begins.count == 41 && expected.count > 50)
    let documents = try FileSystem.read(written.files("files")[1].path).split(separator: 10)
    #expect(try documents.map { try JSONValue.parse(Array($0)).value } == expected.map { $0[1] })
  }

  @Test func webDatasetReadsSamplesWithTheirDocuments() throws {
    let tokens = try tokens(["sequenceLength": 64, "packing": "bestfit", "compression": "zstd"])
    let written = try export(tokens, ["format": "webdataset"])
    #expect(written.files("files").map(\.name) == ["00000.tar"])
    let read = try lines("webdataset", written.files("files")[0].path)
    #expect(read == (try samples(tokens)).map { .list($0) })
  }

  @Test func filesAreAsLargeAsAsked() throws {
    let tokens = try tokens(["sequenceLength": 16, "shardBytes": 1024])
    let written = try export(tokens, ["format": "megatron", "fileBytes": 2048])
    #expect(written.files("files").count > 6)
    let bytes = try written.files("files").filter { $0.name.hasSuffix(".bin") }.flatMap { try FileSystem.read($0.path) }
    let ids = try samples(tokens).flatMap { ($0[0].array ?? []).compactMap(\.integer) }
    #expect(bytes == ids.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] })
  }
}
