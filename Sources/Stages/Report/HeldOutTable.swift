import PipelineKit
import ShardKit
import TrainerCore

/// The `validation.csv` of a training: losses on held-out tokens, by step.
struct HeldOutTable {
  /// By step, ascending: what the log would have of it.
  private var rows: [(step: Int, members: [JSONMember])] = []

  /// - Throws: `StageError` (`.input`) if it is no such table; `ShardError` if it cannot be read.
  init(_ file: ArtifactFile) throws {
    let lines = LineReader(try FileSource(file.path), maximumLineBytes: 4096)
    _ = try lines.next()
    while let line = try lines.next() {
      let words = String(decoding: line, as: UTF8.self).split(separator: ",")
      guard words.count == 5, let step = Int(words[0]), step >= rows.last?.step ?? 0 else {
        throw StageError(.input, file.path, "has no losses on held-out tokens by step", hint: "Train again.")
      }
      let score = HeldOutScore(
        name: String(words[1]), loss: Double(words[2]) ?? .nan, accuracy: Double(words[3]) ?? .nan, masked: 0)
      if rows.last?.step != step { rows.append((step, [])) }
      rows[rows.count - 1].members += score.scalars.map { JSONMember($0.name, .number($0.value)) }
    }
  }

  /// Writes a log with these losses: in the line of their step, or in one of their own.
  /// - Throws: `ShardError` if the log cannot be read or the file not written.
  func merge(with log: String, to path: String) throws {
    let sink = try FileSink(path)
    let lines = LineReader(try FileSource(log), maximumLineBytes: 1 << 20)
    var rest = rows[...]
    func write(_ members: [JSONMember]) throws { try sink.write(JSONValue.object(members).text() + "\n") }
    while let line = try lines.next() {
      guard let members = try? JSONValue.parse(Array(line)).value.members,
        let step = members.first(where: { $0.key == "step" })?.value.integer
      else { continue }
      while let row = rest.first, row.step < step {
        try write([JSONMember("step", .integer(row.step))] + row.members)
        rest.removeFirst()
      }
      try write(members + (rest.first?.step == step ? rest.removeFirst().members : []))
    }
    for row in rest { try write([JSONMember("step", .integer(row.step))] + row.members) }
    try sink.commit()
  }
}
