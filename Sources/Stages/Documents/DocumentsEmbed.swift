public import PipelineKit
public import ShardKit
import TextKit
import TrainerCore

/// Writes a vector of each document by an encoder: beside the documents, by id, without their texts.
public struct DocumentsEmbed: SinglePhaseStage {
  public struct Options: StageOptions {
    @OptionGroup public var encoder: EncoderOptions
    @Option("Before each text, such as \"passage: \". null: what the model has before documents, if anything.")
    public var prefix: String? = nil
    @OptionGroup public var compute: ComputeOptions

    public init() {}
  }

  public static let name = "documents.embed"
  // 2: vectors on a GPU differ in their last digits, since padding costs attention nothing. 3: texts count as far as the
  // model says; last digits differ, since texts go through the model by their tokens.
  public static let revision = 3
  public static let summary = "Writes a vector of each document by an encoder, for dedupe.semantic."
  static let documents = Input<Documents>("documents", "The documents to embed.")
  static let vectors = Output<Vectors>(
    "vectors", "Safetensors, one file per file of documents: 'vectors', of length one, and 'ids', hashes of their ids.")
  public static let inputs = [documents.port, CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [vectors.port]

  /// Of a vector of 1,280 numbers while a file of them grows.
  private static let bytesPerDocument = 12 << 10
  private let options: Options

  public init(options: Options) { self.options = options }

  /// The bytes depend on what 'auto' resolves to on this machine.
  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws { try options.encoder.validate() }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let encoding = try options.compute.bytes(ofEncoding: options.encoder, context)
    return try context.files(Self.documents).enumerated().flatMap { place, file in
      try options.compute.modelTasks(
        [(key: TaskPlan.padded(place), inputs: [.main: [file]] as TaskInputs)], context, weightCopies: 2,
        besides: 1 << 30 + encoding + Self.bytesPerDocument * file.documents)
    }
  }

  public func run(_ workspace: Workspace) throws {
    let input = try workspace.file()
    var ids: [UInt64] = []
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      ids.append(recordHash(document.id))
      workspace.consume(bytes: document.text.count)
    }
    let result = try embed(input, isEmpty: ids.isEmpty, workspace)
    let vectors = try result.map { try SafetensorsFile($0) }
    let shape = try vectors?.entry(VectorFile.vectors).shape ?? [0, 0]
    guard shape.count == 2, shape[0] == ids.count else {
      throw StageError(
        .input, input.path, "\(shape.first ?? 0) vectors were made of its \(ids.count) documents",
        hint: "Do not change inputs during a run. Run 'pipeline verify', and run again.")
    }
    let name = workspace.task.key + VectorFile.ending
    let file = try workspace.file(Self.vectors, name)
    let tensors = [
      TensorSource(VectorFile.ids, .int64, shape: [ids.count], bytes: ids.withUnsafeBytes { Array($0) }),
      TensorSource(VectorFile.vectors, .float32, shape: shape) { (sink) throws(ShardError) in
        try vectors?.withBytes(of: VectorFile.vectors) { (_, bytes) throws(ShardError) in try sink(bytes) }
      },
    ]
    try Safetensors.write(tensors, to: file, name: name)
    try workspace.publish(Self.vectors, file, name: name, documents: ids.count, ids: ids)
  }

  /// - Returns: the path of the vectors; nil if there are no documents.
  private func embed(_ input: ArtifactFile, isEmpty: Bool, _ workspace: Workspace) throws -> String? {
    guard !isEmpty else { return nil }
    let engine = try TrainingEngine.require()
    var job = try EmbeddingJob(workspace, options.compute, engine)
    job.texts = input.path
    job.prefix = try options.prefix ?? CheckpointInput.embedding(workspace)?.documentPrefix ?? ""
    try job.set(options.encoder, workspace)
    job.normalizes = true
    job.result = "\(try workspace.temporaryDirectory())/result.safetensors"
    try EvaluationWorker(command: "embed", job: job.json, engine: engine, usesGPU: job.device == "cuda").run(workspace)
    return job.result
  }
}
