public import PipelineKit
import ShardKit
import TextKit

/// Converts documents to MDS shards of token ids.
///
/// Columns: `input_ids`, and `documents`, a JSON list of `[id, from, count]`: the documents in a sample, the first
/// token of each, and the number of positions that it takes up.
public struct TokenizerEncode: Stage {
  public struct Options: StageOptions {
    @Option(
      "Maximum tokens per sample; longer documents continue in another sample. 0: no limit (only without packing).",
      in: 0...1 << 24)
    public var sequenceLength = 512
    @Option(
      "'none': one document per sample; 'concatenate': documents end to end; 'bestfit': several unsplit documents.")
    public var packing = Packing.none
    @Option("Adds the special tokens around each document or part: of BERT, [CLS] before and [SEP] after.") public
      var addSpecialTokens = true
    @Option("Compression of the shards: none, zstd, zstd:LEVEL, gz or gz:LEVEL.") public var compression = "none"
    @Option("Maximum size of a shard before compression.", in: ByteCount(1 << 10)...ByteCount(1 << 31))
    public var shardBytes = ByteCount(MDSSchema.defaultShardBytes)
    @Option("Folder of the MeCab dictionary. null: the system default.") public var mecabDictionary: String? = nil

    public init() {}
  }

  public enum Packing: String, CaseIterable, OptionChoice {
    case none, concatenate, bestfit

    var mode: SequencePacker.Mode {
      switch self {
      case .none: .none
      case .concatenate: .concatenate
      case .bestfit: .bestfit
      }
    }
  }

  public static let name = "tokenizer.encode"
  public static let formerNames = ["tokenize"]
  public static let revision = 3
  public static let summary = "Converts documents to MDS shards of token ids, packed or one document per sample."
  static let documents = Input<Documents>("documents", "The documents to tokenize.")
  static let sealed = Output<MDS>("sealed", "Shards before they are numbered.", hidden: true)
  static let entries = Output<Intermediate>("entries", "The index entry and the ids of each shard.", hidden: true)
  static let tokens = Output<MDS>("tokens", "The data set: index.json and its shards.")
  public static let inputs = [documents.port, TokenizerInput.port.port]
  public static let outputs = [tokens.port, sealed.port, entries.port]
  public enum Phase: String, StagePhase { case encode, index }

  let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.mecabDictionary) }

  public func validate() throws {
    let least = options.addSpecialTokens ? 3 : 1
    guard options.sequenceLength >= least || (options.sequenceLength == 0 && options.packing == .none) else {
      throw StageError(
        .options, "sequenceLength", "\(options.sequenceLength) leaves no room for text",
        hint: "Set at least \(least), or 0 without packing.")
    }
    if options.compression != "none", MDSCompression(name: options.compression) == nil {
      throw StageError(
        .options, "compression", "'\(options.compression)' is not supported",
        hint: "Use none, zstd, zstd:1 to zstd:22, gz or gz:0 to gz:9.")
    }
  }

  private func schema(isNarrow: Bool) throws -> MDSSchema {
    let columns = [
      MDSColumn("documents", .json), MDSColumn("input_ids", .array(isNarrow ? .uint16 : .uint32, shape: nil)),
    ]
    return try MDSSchema(
      columns: columns, compression: MDSCompression(name: options.compression), shardBytes: options.shardBytes.bytes)
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .encode:
      let tokenizer = try TokenizerInput.files(context)
      let words = try TokenizerInput.wordsIdentity(tokenizer, dictionary: options.mecabDictionary)
      return try TaskPlan.grouped(
        context.files(Self.documents), bytes: 64 << 20, memoryBytes: options.shardBytes.bytes * 2 + 64 << 20
      ).map { try $0.reading(tokenizer: tokenizer, words) }
    case .index:
      return [
        TaskPlan(
          key: "index", inputs: ["entries": context.files(Self.entries), "sealed": context.files(Self.sealed)])
      ]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .encode: try encode(workspace)
    case .index: try MDSIndexing.run(workspace, from: Self.sealed, Self.entries, into: Self.tokens)
    }
  }

  // MARK: Encoding

  private func encode(_ workspace: Workspace) throws {
    let tokenizer = try TokenizerInput.load(workspace)
    let session = try TokenizerSession(tokenizer, dictionary: options.mecabDictionary)
    let frame = options.addSpecialTokens ? tokenizer.frame : .plain
    guard options.sequenceLength == 0 || options.sequenceLength > frame.before.count + frame.after.count else {
      throw StageError(
        .options, "sequenceLength", "\(options.sequenceLength) leaves no room for text beside the special tokens",
        hint: "Set at least \(frame.before.count + frame.after.count + 1).")
    }
    let isNarrow = tokenizer.tokens.count <= 1 << 16
    let schema = try schema(isNarrow: isNarrow)
    let shards = SealedShards(schema, workspace, Self.sealed, Self.entries)
    var row = SampleRow(schema, isNarrow: isNarrow)
    // By document number, for the samples that are still open.
    var names: [[UInt8]] = []
    func write(_ sample: SequencePacker.Sample) throws {
      row.fill(sample, ids: names)
      try shards.append(row.row, ids: sample.parts.lazy.map { recordHash(names[$0.document]) }, textBytes: 0)
    }
    var packer = SequencePacker(
      options.packing.mode, length: options.sequenceLength, before: frame.before, after: frame.after)
    let stream = workspace.documents()
    var document = Document()
    var ids = TokenBuffer()
    while try stream.next(&document) {
      ids.removeAll()
      try document.text.withUnsafeBufferPointer { try session.encode($0, into: &ids) }
      if ids.count == 0 {
        try workspace.drop(document, DropReason("no-tokens", value: 0, threshold: 1))
        continue
      }
      if options.packing == .none {
        workspace.consume(bytes: document.text.count)
      } else {
        workspace.merge("packed", bytes: document.text.count)
      }
      workspace.metric("tokens", Double(ids.count))
      names.append(document.id)
      try packer.add(ids.ids, document: names.count - 1, write)
    }
    try packer.finish(write)
    try shards.finish()
  }
}

/// Writes a sample as a row of the data set.
private struct SampleRow {
  private(set) var row: MDSRow
  /// Whether ids fit 16 bits.
  private let isNarrow: Bool
  private var json: [UInt8] = []

  init(_ schema: MDSSchema, isNarrow: Bool) {
    row = MDSRow(schema)
    self.isNarrow = isNarrow
  }

  /// - Parameter ids: the documents' ids, by the number that parts refer to.
  mutating func fill(_ sample: SequencePacker.Sample, ids: [[UInt8]]) {
    row.removeAll()
    describe(sample.parts, ids)
    row.append(json)
    if isNarrow {
      row.append(array: sample.tokens.map { UInt16(truncatingIfNeeded: $0) })
    } else {
      row.append(array: sample.tokens)
    }
  }

  private mutating func describe(_ parts: [SequencePacker.Part], _ ids: [[UInt8]]) {
    json.removeAll(keepingCapacity: true)
    json.append(0x5B)
    for (i, part) in parts.enumerated() {
      json.append(contentsOf: (i == 0 ? "[" : ",[").utf8)
      JSONText.append(string: ids[part.document], to: &json)
      json.append(contentsOf: ",\(part.from),\(part.count)]".utf8)
    }
    json.append(0x5D)
  }
}
