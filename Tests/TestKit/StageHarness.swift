import Glibc
public import PipelineKit
public import ShardKit

/// Runs one stage over documents in a temporary folder, task by task, without a store: for tests of stages.
public final class StageHarness {
  public struct Drop: Equatable, Sendable {
    public var id: String
    public var reason: String
    public var value: Double?
    public var threshold: Double?
    public var survivor: String?
    public var detail: String?

    public init(
      id: String, reason: String, value: Double? = nil, threshold: Double? = nil, survivor: String? = nil,
      detail: String? = nil
    ) {
      self.id = id
      self.reason = reason
      self.value = value
      self.threshold = threshold
      self.survivor = survivor
      self.detail = detail
    }
  }

  public let directory: String
  private let description: StageDescription
  private let configured: ConfiguredStage
  private var inputs: [String: [WiredArtifact]] = [:]
  public private(set) var manifests: [TaskManifest] = []

  /// - Parameter base: the folder that file options are relative to.
  public init<S: Stage>(_ type: S.Type, options: JSONValue = [:], base: String = "/") throws {
    directory = temporaryDirectory()
    description = StageDescription(type)
    configured = try description.configured(options)
    context = NodeContext(inputs: [:], base: base)
  }

  private var context: NodeContext

  deinit { try? FileSystem.removeTree(directory) }

  /// Wires an artifact of documents, one list per file.
  public func add(documents files: [[Document]], to port: String = "documents", from stage: String = "upstream") throws
  {
    var written: [ArtifactFile] = []
    for (i, documents) in files.enumerated() {
      let name = TaskPlan.padded(i) + ".jsonl.zst"
      let path = "\(directory)/input/\(stage)/\(name)"
      try FileSystem.makeDirectory("\(directory)/input/\(stage)")
      let file = try FileSink(path)
      let sink = ZstdSink(file)
      let writer = DocumentWriter(sink)
      for document in documents { try writer.write(document) }
      try writer.commit()
      try writeIDs(of: documents, "\(directory)/input/ids/\(stage)", name)
      written.append(
        ArtifactFile(
          path: path, name: name, bytes: file.bytes, digest: file.digest, documents: documents.count,
          textBytes: Int64(writer.textBytes)))
    }
    add(files: written, to: port, from: stage)
  }

  /// The list of ids that a store has beside a file of documents.
  private func writeIDs(of documents: [Document], _ folder: String, _ name: String) throws {
    try FileSystem.makeDirectory(folder)
    let hashes = documents.map { recordHash($0.id).littleEndian }
    try FileSystem.write(hashes.withUnsafeBytes { Array($0) }, to: "\(folder)/\(name).ids")
  }

  /// Wires existing files.
  public func add(files: [ArtifactFile], to port: String, from stage: String = "upstream", output: String = "output") {
    context.inputs[port, default: []].append(WiredArtifact(stage: stage, port: output, files: files))
  }

  /// Runs all tasks of all phases.
  /// - Parameter backwards: runs each phase's tasks in reverse, which must change nothing.
  @discardableResult
  public func run(backwards: Bool = false, memoryBytes: Int = 256 << 20) throws -> StageHarness {
    for phase in description.phases {
      let tasks = try configured.stage(of: phase).tasks(ofPhase: phase, in: context)
      var done: [Int: TaskManifest] = [:]
      for i in backwards ? Array(tasks.indices.reversed()) : Array(tasks.indices) {
        done[i] = try TaskRun(
          directory: "\(directory)/node", keptState: "\(directory)/state", phase: phase, task: tasks[i],
          fingerprint: Fingerprint.task(
            stage: description.name, revision: 1, options: [:], phase: phase, task: tasks[i]),
          memoryBytes: memoryBytes, control: TaskControl(), earlier: context.outputs
        ).run(configured.stage(of: phase))
      }
      for i in tasks.indices {
        manifests.append(done[i]!)
        for (port, file) in done[i]!.artifactFiles(in: "\(directory)/node") {
          context.outputs[port, default: []].append(file)
        }
      }
    }
    return self
  }

  /// All counts of the tasks.
  public var ledger: Ledger { manifests.reduce(into: Ledger()) { $0 += $1.ledger } }
  public var warnings: [String: Int] {
    manifests.reduce(into: [:]) { sum, m in for (name, w) in m.warnings { sum[name, default: 0] += w.count } }
  }
  public var metrics: [String: Double] {
    manifests.reduce(into: [:]) { sum, m in for (name, v) in m.metrics { sum[name, default: 0] += v } }
  }

  public func files(_ port: String) -> [ArtifactFile] { context.outputs[port] ?? [] }

  public func documents(_ port: String = "documents") throws -> [Document] {
    var out: [Document] = []
    for file in files(port) {
      let reader = try DocumentReader(path: file.path)
      while let document = try reader.next() { out.append(document) }
    }
    return out
  }

  public func drops() throws -> [Drop] { try records("drops") }

  /// The records of dropped documents, or the `notes` of those that stay.
  public func records(_ port: String) throws -> [Drop] {
    var out: [Drop] = []
    for file in files(port) {
      let lines = LineReader(try openSource(file.path))
      while let line = try lines.next() {
        let json = try JSONValue.parse(Array(line)).value
        out.append(
          Drop(
            id: json["id"]?.string ?? "", reason: json["reason"]?.string ?? "", value: json["value"]?.double,
            threshold: json["threshold"]?.double, survivor: json["survivor"]?.string, detail: json["detail"]?.string))
      }
    }
    return out
  }

  /// Digests of all published files by port and name: equal sets mean equal artifacts.
  public var digests: [String: String] {
    manifests.reduce(into: [:]) { all, m in for f in m.files { all["\(f.port)/\(f.name)"] = f.digest.hex } }
  }
}

/// A new empty folder; the caller removes it.
public func temporaryDirectory() -> String {
  var template = Array("/tmp/pipeline-test-XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { fatalError("cannot create a temporary folder") }
  return String(decoding: template.dropLast().map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
}

/// A folder below the package root, found from this file.
public func packagePath(_ relative: String) -> String {
  let parts = #filePath.split(separator: "/", omittingEmptySubsequences: true).dropLast(3)
  return "/" + parts.joined(separator: "/") + "/" + relative
}

/// The folder of real texts: `PIPELINE_DATA`, or `../shared/data` next to the package; nil if it is absent.
public let realDataPath: String? = {
  let path = getenv("PIPELINE_DATA").map { String(cString: $0) } ?? packagePath("../shared/data")
  return FileSystem.isDirectory(path) ? path : nil
}()
