import ShardKit

/// Writes the dropped documents of a task, or what was done to those that stay: `{"id","reason","bytes","value","threshold","survivor","detail"}` lines.
final class DropWriter {
  private let file: FileSink
  private let sink: ZstdSink
  private let name: String
  private var ids: [UInt64] = []
  private var bytes: Int64 = 0
  private var line: [UInt8] = []
  private let port: String

  init(_ workspace: Workspace, port: String) throws {
    self.port = port
    name = "\(workspace.phase)-\(workspace.task.key).jsonl.zst"
    file = try FileSink(workspace.stagedPath(port, name))
    sink = ZstdSink(file, level: 1)
  }

  /// - Parameter hash: what the list of ids has for it.
  func write(id: [UInt8], hash: UInt64, bytes: Int, _ reason: DropReason) throws {
    line.removeAll(keepingCapacity: true)
    line.append(contentsOf: #"{"id":"#.utf8)
    let id = Self.readable(id)
    JSONText.append(string: id, to: &line)
    line.append(contentsOf: #","reason":"#.utf8)
    JSONText.append(string: reason.name, to: &line)
    line.append(contentsOf: #","bytes":\#(bytes)"#.utf8)
    if let value = reason.value { line.append(contentsOf: #","value":\#(JSONValue.number(value).text())"#.utf8) }
    if let threshold = reason.threshold {
      line.append(contentsOf: #","threshold":\#(JSONValue.number(threshold).text())"#.utf8)
    }
    if let survivor = reason.survivor {
      line.append(contentsOf: #","survivor":"#.utf8)
      JSONText.append(string: Self.readable(survivor), to: &line)
    }
    if let detail = reason.detail {
      line.append(contentsOf: #","detail":"#.utf8)
      JSONText.append(string: detail, to: &line)
    }
    line.append(contentsOf: "}\n".utf8)
    try sink.write(line)
    ids.append(hash)
    self.bytes += Int64(bytes)
  }

  /// A document may be dropped because its id is not valid UTF-8; its drop line is valid UTF-8 all the same.
  static func readable(_ id: [UInt8]) -> [UInt8] {
    isUTF8(id) ? id : Array(String(decoding: id, as: UTF8.self).utf8)
  }

  func finish(_ workspace: Workspace) throws {
    try workspace.publish(
      port: port, file, through: sink, name: name, documents: ids.count, textBytes: bytes, ids: ids)
  }
}
