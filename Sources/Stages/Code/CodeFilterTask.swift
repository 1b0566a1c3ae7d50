import PipelineKit
import ShardKit

/// Phase `filter`: checks each row independently and distributes the kept ones into partitions by content.
final class CodeFilterTask {
  private let options: CodeSelect.Options
  private let workspace: Workspace
  private let partitions: RowPartitions<Intermediate>
  private let languages: Set<String>
  private let extensions: Set<String>
  private let licenses: Set<String>
  private let types: Set<String>

  init(_ options: CodeSelect.Options, _ workspace: Workspace) {
    self.options = options
    self.workspace = workspace
    partitions = RowPartitions(workspace, CodeSelect.rows)
    languages = Set(options.languages.map { $0.lowercased() })
    extensions = Set(options.extensions.map { ($0.hasPrefix(".") ? String($0.dropFirst()) : $0).lowercased() })
    licenses = Set(options.licenses.map { $0.lowercased() })
    types = Set(options.licenseTypes.map(\.rawValue))
  }

  func run() throws {
    let part = workspace.task.payload == .null ? nil : try workspace.payload(ParquetPart.self)
    for file in workspace.files(.main) { try read(file, part) }
    try partitions.publish()
  }

  private func read(_ file: ArtifactFile, _ part: ParquetPart?) throws {
    var (rows, malformed, first) = (0, 0, "")
    try CodeRowReader.forEachRow(of: file, part) { row, number, bytes, problem in
      rows += 1
      if rows % 1024 == 0 { try workspace.control.check() }
      if let problem {
        malformed += 1
        if malformed == 1 { first = "row \(number): \(problem)" }
        return try drop("\(file.name):\(number)", bytes, DropReason("malformed-row", detail: problem))
      }
      if let reason = reasonToDrop(row) { return try drop(row.blob, row.bytes ?? 0, reason) }
      let line = row.line
      let partition = Int(recordHash(Array(row.blob.utf8)) % UInt64(options.partitions))
      try line.withUnsafeBytes { try partitions.write($0, to: partition) }
    }
    guard Double(malformed) > options.maximumMalformedFraction * Double(rows) else { return }
    throw StageError(
      .input, file.path, "\(malformed) of its \(rows) rows are malformed; the first: \(first)",
      hint: "Check that the file is The Stack v2 metadata, or raise \"maximumMalformedFraction\".")
  }

  private func drop(_ id: String, _ bytes: Int, _ reason: DropReason) throws {
    workspace.countInput(bytes: bytes)
    try workspace.drop(id: Array(id.utf8), bytes: bytes, reason)
  }

  private func reasonToDrop(_ row: CodeRow) -> DropReason? {
    if !languages.isEmpty, !languages.contains(row.language.lowercased()) {
      return DropReason("language", detail: row.language)
    }
    if !extensions.isEmpty, !extensions.contains(row.extension.lowercased()) {
      return DropReason("extension", detail: row.extension)
    }
    guard types.contains(row.licenseType) else {
      return DropReason("license-type-not-allowed", detail: row.licenseType)
    }
    if !licenses.isEmpty {
      let isFree = row.licenses.isEmpty && row.licenseType == CodeSelect.LicenseType.none.rawValue
      let other = row.licenses.first { !licenses.contains($0.lowercased()) }
      if other != nil || row.licenses.isEmpty && !isFree {
        return DropReason("license-not-allowed", detail: other ?? "no license is stated")
      }
    }
    if row.isVendored && options.vendored == .drop { return DropReason("vendored") }
    if row.isGenerated && options.generated == .drop { return DropReason("generated") }
    let bytes = row.bytes ?? 0
    if bytes < options.minimumBytes {
      return DropReason("too-small", value: Double(bytes), threshold: Double(options.minimumBytes))
    }
    if bytes > options.maximumBytes.bytes {
      return .tooLarge(bytes, maximum: options.maximumBytes.bytes)
    }
    return nil
  }
}

/// Lines distributed into one file per partition: `KEY-PARTITION.jsonl.zst`.
final class RowPartitions<Kind: ArtifactType> {
  private let workspace: Workspace
  private let output: Output<Kind>
  private var open: [Int: (file: FileSink, sink: ZstdSink, name: String)] = [:]

  init(_ workspace: Workspace, _ output: Output<Kind>) {
    self.workspace = workspace
    self.output = output
  }

  func write(_ line: UnsafeRawBufferPointer, to partition: Int) throws {
    let sink = try sink(partition)
    try sink.write(line)
    try sink.write([10])
  }

  private func sink(_ partition: Int) throws -> ZstdSink {
    if let part = open[partition] { return part.sink }
    let name = "\(workspace.task.key)-\(TaskPlan.padded(partition)).jsonl.zst"
    let file = try workspace.file(output, name)
    let sink = ZstdSink(file, level: 1)
    open[partition] = (file, sink, name)
    return sink
  }

  func publish() throws {
    for (_, part) in open.sorted(by: { $0.key < $1.key }) {
      try workspace.publish(output, part.file, through: part.sink, name: part.name)
    }
    open = [:]
  }
}
