import NetKit
import PipelineKit
import ShardKit

/// Phase `fetch`: fetches the contents of one partition's rows, in order, and writes them as documents.
final class CodeFetchTask {
  private let options: CodeSelect.Options
  private let workspace: Workspace
  private let politeness: Politeness
  private var client: HTTPClient?
  private var (rows, missing) = (0, 0)
  private var firstMissing = ""

  init(_ options: CodeSelect.Options, _ workspace: Workspace, _ politeness: Politeness) {
    self.options = options
    self.workspace = workspace
    self.politeness = politeness
  }

  func run() throws {
    let place = try ContentLocation(options.contents)
    let fetched = try FetchedContents(workspace.stateDirectory() + "/contents")
    let output = try workspace.documents(to: CodeSelect.documents, rotateAtBytes: 1 << 30)
    let json = JSONObjectReader()
    try RowFiles(workspace).forEach { line, _ in
      try workspace.control.checkStop()
      rows += 1
      try take(line, SelectedRow(line, json), try content(line, json, place, fetched), output)
    }
    guard Double(missing) > options.maximumMissingFraction * Double(rows) else { return }
    throw StageError(
      .input, options.contents, "\(missing) of \(rows) contents are missing; the first: \(firstMissing)",
      hint: "Check \"contents\", or raise \"maximumMissingFraction\".")
  }

  /// From an earlier attempt's file, else from the content location.
  private func content(
    _ line: UnsafeRawBufferPointer, _ json: JSONObjectReader, _ place: ContentLocation, _ fetched: FetchedContents
  ) throws -> [UInt8]? {
    switch try fetched.next() {
    case .content(let bytes):
      workspace.metric("resumedContents", 1)
      return bytes
    case .missing: return nil
    case nil: break
    }
    let blob = String(decoding: SelectedRow(line, json).blob, as: UTF8.self)
    // A compressed content may be slightly larger than its decompressed form.
    let limit = options.maximumBytes.bytes + 1 << 16
    let bytes = try networked(workspace) {
      try place.bytes(of: blob, limit: limit) {
        let used = try client ?? options.network.client(politeness, workspace)
        client = used
        return used
      }
    }
    try fetched.append(bytes)
    return bytes
  }

  private func take(
    _ line: UnsafeRawBufferPointer, _ row: SelectedRow, _ kept: [UInt8]?, _ output: DocumentOutput
  ) throws {
    workspace.countInput(bytes: row.bytes)
    let blob = String(decoding: row.blob, as: UTF8.self)
    guard let kept else {
      missing += 1
      if missing == 1 { firstMissing = blob }
      return try workspace.drop(id: row.blob, bytes: row.bytes, DropReason("not-found"))
    }
    let encoding = String(decoding: row.encoding, as: UTF8.self)
    switch ContentDecoding.text(kept, blob: blob, encoding: encoding, limit: options.maximumBytes.bytes + 1 << 16) {
    case .failure(let reason, let detail):
      try workspace.drop(id: row.blob, bytes: row.bytes, DropReason(reason, detail: detail.isEmpty ? nil : detail))
    case .text(let text):
      var document = Document()
      document.id = row.blob
      document.text = text
      document.source = Array(options.source.utf8)
      document.metadata = Array(line)
      try output.write(document)
    }
  }
}
