import MarkupKit
import PipelineKit
import ShardKit

/// The first phase of `diet.read`: distributes the speeches of some pages into buckets by meeting.
struct DietBucketTask {
  private let options: DietRead.Options
  private let workspace: Workspace
  private let buckets: Int
  private var open: [Int: (file: FileSink, sink: ZstdSink, writer: DocumentWriter)] = [:]

  struct Payload: Codable { var buckets: Int }

  init(_ options: DietRead.Options, _ workspace: Workspace) throws {
    self.options = options
    self.workspace = workspace
    buckets = try workspace.payload(Payload.self).buckets
  }

  mutating func run() throws {
    let page = DietSpeechParser()
    for file in workspace.files(.main) {
      try workspace.control.check()
      do {
        // A page is taken completely or not at all.
        var speeches: [Document] = []
        var problems: [String] = []
        try page.read(try openSource(file.path).readAll(limit: 1 << 30)) { document, problem in
          if let document { speeches.append(document) } else { problems.append(problem) }
        }
        for speech in speeches { try deal(speech) }
        for (number, problem) in problems.enumerated() {
          try dropRecord("\(file.name)#\(number)", "malformed-speech", detail: problem)
        }
      } catch let error as ShardError where error.code == .malformed || error.code == .truncated {
        try malformed(file, error.message)
      }
    }
    for (bucket, part) in open.sorted(by: { $0.key < $1.key }) {
      try part.writer.flush()
      try workspace.publish(
        DietRead.speeches, part.file, through: part.sink, name: name(bucket), documents: part.writer.documents,
        textBytes: Int64(part.writer.textBytes))
    }
  }

  private func malformed(_ file: ArtifactFile, _ message: String) throws {
    guard options.malformedPages == .drop else {
      throw StageError(
        .input, file.path, "the page cannot be read: \(message)",
        hint: "Fetch it again, or set \"malformedPages\" to \"drop\".")
    }
    try dropRecord(file.name, "malformed-page", detail: message, bytes: Int(file.bytes))
  }

  private func dropRecord(_ id: String, _ reason: String, detail: String, bytes: Int = 0) throws {
    workspace.countInput(bytes: bytes)
    try workspace.drop(id: Array("diet:\(id)".utf8), bytes: bytes, DropReason(reason, detail: detail))
  }

  private mutating func deal(_ speech: Document) throws {
    let id = DietRead.documentID(options.document == .meeting ? speech.version : speech.id)
    if workspace.isRemoved(id: id) {
      workspace.countInput(bytes: speech.text.count)
      return try workspace.drop(id: id, bytes: speech.text.count, .removed)
    }
    let bucket = Int(recordHash(speech.version) % UInt64(buckets))
    try writer(bucket).write(speech)
  }

  private mutating func writer(_ bucket: Int) throws -> DocumentWriter {
    if let part = open[bucket] { return part.writer }
    let file = try workspace.file(DietRead.speeches, name(bucket))
    let sink = ZstdSink(file, level: 1)
    let writer = DocumentWriter(sink)
    open[bucket] = (file, sink, writer)
    return writer
  }

  private func name(_ bucket: Int) -> String { "\(workspace.task.key)-\(TaskPlan.padded(bucket)).jsonl.zst" }
}
