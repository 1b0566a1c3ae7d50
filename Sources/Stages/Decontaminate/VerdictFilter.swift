import PipelineKit
import ShardKit

/// Writes the documents of a file: those without a verdict as they are, the others by the stage's action.
struct VerdictFilter {
  let options: Decontaminate.Options

  func run(_ workspace: Workspace, to output: Output<Documents>) throws {
    let input = try workspace.file()
    let lines = LineReader(try openSource(input.path))
    let index = try IndexReader(workspace.file("index").path)
    var verdicts: [ContaminationVerdict] = []
    try JSONLines.forEach(try workspace.file("verdicts").path) { verdicts.append($0) }
    let kept = try workspace.documents(to: output)
    var row = 0, next = 0
    while let line = try lines.next() {
      guard row < index.count else { break }
      let id = index.id(row), textBytes = Int(index.entry(row).textBytes)
      workspace.countInput(bytes: textBytes)
      if next < verdicts.count, verdicts[next].row == row {
        try apply(verdicts[next], line, id, textBytes, kept, workspace)
        next += 1
      } else {
        try kept.write(line: line, id: id, textBytes: textBytes)
      }
      row += 1
      if row % 64 == 0 { try workspace.control.check() }
    }
    guard row == index.count, next == verdicts.count else {
      throw ShardError(
        .malformed, input.path, "its documents changed since it was first read",
        hint: "Run again, and do not change inputs during a run.")
    }
  }

  private func apply(
    _ verdict: ContaminationVerdict, _ line: UnsafeRawBufferPointer, _ id: UnsafeRawBufferPointer, _ textBytes: Int,
    _ kept: DocumentOutput, _ workspace: Workspace
  ) throws {
    let question = verdict.questions[0]
    var reason = DropReason(
      "in-\(question.benchmark)", value: question.share, threshold: options.share,
      detail: "question \(question.question)"
        + (verdict.questions.count > 1 ? " and \(verdict.questions.count - 1) more" : ""))
    guard options.action != .drop else { return try workspace.drop(id: Array(id), bytes: textBytes, reason) }
    guard var document = try DocumentReader(MemorySource(Array(line), name: "a document")).next() else { return }
    if options.action == .tag {
      try tag(&document, verdict)
      try kept.write(document)
      return
    }
    let before = document.text.count
    document.text = SentenceCut.removing(verdict.spans.map { $0[0]..<$0[1] }, from: document.text)
    workspace.metric("bytes-cut", Double(before - document.text.count))
    guard document.text.count >= max(1, options.minimumBytes) else {
      reason.detail! += "; \(document.text.count) bytes are left"
      return try workspace.drop(id: Array(id), bytes: textBytes, reason)
    }
    workspace.metric("documents-cut", 1)
    try kept.write(document)
  }

  private func tag(_ document: inout Document, _ verdict: ContaminationVerdict) throws {
    let old = document.metadata.isEmpty ? [] : try JSONValue.parse(document.metadata).value.members ?? []
    let new = JSONMember("contamination", try JSONValue.encoding(verdict.questions))
    document.metadata = Array(
      JSONValue.object(old.filter { !$0.key.utf8.elementsEqual("contamination".utf8) } + [new]).text().utf8)
  }
}

/// Cuts the sentences that hold given spans out of a text.
enum SentenceCut {
  /// Bytes searched for the end of a sentence on either side.
  private static let reach = 2000
  private static let ends = ["。", "．", "！", "？", "!", "?", "｡"].map { Array($0.utf8) }
  private static let closing = ["」", "』", "）", ")", "”", "\"", "】"].map { Array($0.utf8) }

  static func removing(_ spans: [Range<Int>], from text: [UInt8]) -> [UInt8] {
    let wide = spans.map { start(of: $0.lowerBound, text)..<end(of: $0.upperBound, text) }
      .sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
    var out: [UInt8] = []
    var next = 0
    for span in wide where span.upperBound > next {
      if span.lowerBound > next { out += text[next..<span.lowerBound] }
      next = span.upperBound
    }
    out += text[next...]
    return out.allSatisfy(isSpace) ? [] : out
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }

  /// Where the sentence begins: behind the end of the one before, at a line's start or at the text's.
  private static func start(of place: Int, _ text: [UInt8]) -> Int {
    var start = place
    while start > 0, place - start < reach {
      if text[start - 1] == 10 || endsSentence(text, at: start) { return start }
      start -= 1
    }
    return start == 0 ? 0 : place
  }

  /// Where it ends: behind its end and closing brackets, at a line's end or at the text's.
  private static func end(of place: Int, _ text: [UInt8]) -> Int {
    var end = place
    while end < text.count, end - place < reach {
      if text[end] == 10 { return end }
      if end > place, endsSentence(text, at: end) {
        while let mark = closing.first(where: { text[end...].starts(with: $0) }) { end += mark.count }
        return end
      }
      end += 1
    }
    return end == text.count ? end : place
  }

  /// Whether a sentence ends before a byte.
  private static func endsSentence(_ text: [UInt8], at place: Int) -> Bool {
    if ends.contains(where: { text[..<place].suffix($0.count).elementsEqual($0) }) { return true }
    return text[place - 1] == 0x2E && (place == text.count || isSpace(text[place]))
  }
}
