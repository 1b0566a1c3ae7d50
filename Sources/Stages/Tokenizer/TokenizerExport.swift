public import PipelineKit
import ShardKit

/// Writes token ids in the forms of other trainers: Megatron's indexed data sets, or tar files for WebDataset.
///
/// Beside the tokens stand the documents that they are of: `KEY.documents.jsonl` has a line per sequence of Megatron, and
/// each sample of WebDataset a `documents.json`: lists of `[id, from, count]`, as in the data set of token ids.
public struct TokenizerExport: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("megatron: KEY.bin and KEY.idx; webdataset: KEY.tar with an input_ids.npy per sample.", required: true)
    public var format = Format.megatron
    @Option("About so many bytes of token ids per file.", in: ByteCount(1 << 10)...ByteCount(1 << 40))
    public var fileBytes = ByteCount.gibibytes(1)

    public init() {}
  }

  public enum Format: String, CaseIterable, OptionChoice { case megatron, webdataset }

  public static let name = "tokenizer.export"
  public static let revision = 1
  public static let summary = "Writes token ids as Megatron's .bin and .idx files or as tar files for WebDataset."
  static let tokens = Input<MDS>("tokens", "Token ids, as tokenizer.encode writes them.", many: true)
  static let files = Output<Files>("files", "The files, with the documents beside the tokens.")
  public static let inputs = [tokens.port]
  public static let outputs = [files.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let shards = try context.artifacts(Self.tokens).flatMap { try Self.shards(of: $0.files) }
    var runs: [[(file: ArtifactFile, entry: MDSShard)]] = []
    var size = 0
    for shard in shards {
      if runs.isEmpty || size + shard.entry.raw.bytes > options.fileBytes.bytes {
        runs.append([])
        size = 0
      }
      runs[runs.count - 1].append(shard)
      size += shard.entry.raw.bytes
    }
    return try runs.enumerated().map { number, run in
      let largest = run.map { $0.entry.zip == nil ? 0 : $0.entry.raw.bytes }.max() ?? 0
      return try TaskPlan(
        key: TaskPlan.padded(number), inputs: [.main: run.map(\.file)], payload: run.map(\.entry.json),
        memoryBytes: largest + 64 << 20)
    }
  }

  private static func shards(of files: [ArtifactFile]) throws -> [(file: ArtifactFile, entry: MDSShard)] {
    guard let index = files.first(where: { $0.name == "index.json" }) else {
      throw StageError(.input, "tokens", "there is no index.json", hint: "Wire the output of tokenizer.encode.")
    }
    let named = Dictionary(files.map { (ExactText($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    return try MDSIndex(path: index.path).shards.map { entry in
      guard let file = named[ExactText(entry.stored.basename)] else {
        throw StageError(
          .input, index.path, "lists the shard '\(entry.stored.basename)', which is not in the data set",
          hint: "Run the stage that wrote it again.")
      }
      return (file, entry)
    }
  }

  public func run(_ workspace: Workspace) throws {
    let output: any TokenOutput =
      switch options.format {
      case .megatron: try MegatronOutput(workspace)
      case .webdataset: try WebDatasetOutput(workspace)
      }
    for (file, json) in zip(workspace.files(.main), try workspace.payload([JSONValue].self)) {
      let shard = try MDSShardReader(path: file.path, MDSShard(json: json))
      guard let tokens = shard.columns.firstIndex(where: { $0.name == "input_ids" }) else {
        throw StageError(
          .input, file.path, "has no column 'input_ids'", hint: "Wire token ids, as tokenizer.encode writes them.")
      }
      let documents = shard.columns.firstIndex { $0.name == "documents" && $0.encoding == .json }
      for sample in 0..<shard.samples {
        if sample % 256 == 0 { try workspace.control.check() }
        let ids = try shard.array(tokens, of: sample)
        let described = try documents.map { Array(try shard.value($0, of: sample)) } ?? Array("[]".utf8)
        workspace.countInput(bytes: ids.bytes.count)
        try output.append(ids, documents: described)
        workspace.consume(bytes: ids.bytes.count)
      }
    }
    try output.finish()
  }
}

/// Where samples of tokens go.
private protocol TokenOutput {
  /// - Parameter documents: a JSON list of `[id, from, count]`.
  func append(_ ids: MDSArray, documents: [UInt8]) throws
  func finish() throws
}

/// The hashes of the ids of a sample's documents, and whether the first of them began in an earlier sample.
private struct SampleDocuments {
  var hashes: [UInt64] = []
  var continues = false

  init(_ json: [UInt8]) throws {
    for (number, part) in (try JSONValue.parse(json).value.array ?? []).enumerated() {
      guard let parts = part.array, let id = parts.first?.string else { continue }
      hashes.append(recordHash(Array(id.utf8)))
      if number == 0, parts.count > 1, let from = parts[1].integer { continues = from > 0 }
    }
  }
}

/// Megatron-LM's indexed data set (`megatron/core/datasets/indexed_dataset.py`): the tokens of all sequences, and an
/// index with the length and the place of each, and where documents begin.
private final class MegatronOutput: TokenOutput {
  private let workspace: Workspace
  private let key: String
  private let tokens: FileSink
  private let documents: FileSink
  private var lengths: [Int32] = []
  private var pointers: [Int64] = []
  private var begins: [Int64] = [0]
  private var type: MDSScalar?
  private var bytes: Int64 = 0
  private var ids: [UInt64] = []

  init(_ workspace: Workspace) throws {
    self.workspace = workspace
    key = workspace.task.key
    tokens = try workspace.file(TokenizerExport.files, key + ".bin")
    documents = try workspace.file(TokenizerExport.files, key + ".documents.jsonl")
  }

  func append(_ sample: MDSArray, documents json: [UInt8]) throws {
    guard sample.type == .uint16 || sample.type == .uint32, type == nil || type == sample.type else {
      throw StageError(
        .input, "tokens", "the ids are of the type \(sample.type.rawValue), not uint16 or uint32 throughout",
        hint: "Wire data sets of one tokenizer, as tokenizer.encode writes them.")
    }
    type = sample.type
    let described = try SampleDocuments(json)
    // A sample that goes on with the document of the last one belongs to it.
    if !described.continues, !lengths.isEmpty { begins.append(Int64(lengths.count)) }
    lengths.append(Int32(sample.bytes.count / sample.type.bytes))
    pointers.append(bytes)
    bytes += Int64(sample.bytes.count)
    try tokens.write(sample.bytes)
    try documents.write(json + [10])
    ids += described.hashes
  }

  func finish() throws {
    if !lengths.isEmpty { begins.append(Int64(lengths.count)) }
    var index = Array("MMIDIDX\0\0".utf8)
    func append<T: FixedWidthInteger>(_ value: T) { withUnsafeBytes(of: value.littleEndian) { index += $0 } }
    append(UInt64(1))
    // uint16, or int32: ids are below 2^31.
    append(UInt8(type == .uint32 ? 4 : 8))
    append(UInt64(lengths.count))
    append(UInt64(begins.count))
    lengths.forEach { append($0) }
    pointers.forEach { append($0) }
    begins.forEach { append($0) }
    try workspace.publish(TokenizerExport.files, tokens, name: key + ".bin", documents: lengths.count, ids: ids)
    try workspace.publish(TokenizerExport.files, documents, name: key + ".documents.jsonl")
    try workspace.write(TokenizerExport.files, name: key + ".idx", index)
  }
}

/// A tar file for WebDataset: `KEY-NUMBER.input_ids.npy` and `KEY-NUMBER.documents.json` per sample.
private final class WebDatasetOutput: TokenOutput {
  private let workspace: Workspace
  private let key: String
  private let file: FileSink
  private let tar: TarWriter
  private var count = 0
  private var ids: [UInt64] = []

  init(_ workspace: Workspace) throws {
    self.workspace = workspace
    key = workspace.task.key
    file = try workspace.file(TokenizerExport.files, key + ".tar")
    tar = TarWriter(file)
  }

  func append(_ sample: MDSArray, documents: [UInt8]) throws {
    let name = "\(key)-\(padded(count, 9))"
    try tar.add(name + ".input_ids.npy", try Self.array(sample))
    try tar.add(name + ".documents.json", documents)
    ids += try SampleDocuments(documents).hashes
    count += 1
  }

  /// NumPy's file format, version 1.0.
  private static func array(_ sample: MDSArray) throws -> [UInt8] {
    let kinds: [MDSScalar: String] = [.uint16: "<u2", .uint32: "<u4", .int32: "<i4", .int64: "<i8"]
    guard let kind = kinds[sample.type] else {
      throw StageError(
        .input, "tokens", "the ids are of the type \(sample.type.rawValue)",
        hint: "Wire token ids, as tokenizer.encode writes them.")
    }
    let shape = sample.shape.map(String.init).joined(separator: ", ") + (sample.shape.count == 1 ? "," : "")
    var header = "{'descr': '\(kind)', 'fortran_order': False, 'shape': (\(shape)), }"
    // The data begins at a multiple of 64 bytes.
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    let length = UInt16(header.utf8.count)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)] + Array(header.utf8)
      + Array(sample.bytes)
  }

  func finish() throws {
    try tar.finish()
    try workspace.publish(TokenizerExport.files, file, name: key + ".tar", documents: count, ids: ids)
  }
}
