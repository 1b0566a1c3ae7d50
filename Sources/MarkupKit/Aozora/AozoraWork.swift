import ShardKit

/// The sections of a work's file: header (title and people), legend of the notation, body, colophon (底本 and rights).
///
/// All are ranges of the UTF-8 text. The body is the author's text.
public struct AozoraWork {
  public var header: [Range<Int>] = []
  public var body = 0..<0
  public var colophon = 0..<0

  private static let maximumHeaderLines = 12
  /// Titles are shorter; a longer line belongs to the body.
  private static let maximumHeaderLineBytes = 2048
  private static let maximumLegendLines = 200

  public init(_ text: UnsafeBufferPointer<UInt8>) {
    var lines = TextLines(text, from: text.has("\u{FEFF}", at: 0) ? 3 : 0)
    readHeader(text, &lines)
    skipLegends(text, &lines)
    splitBody(text, &lines)
  }

  // MARK: Header

  /// Lines up to the first empty one; without an empty line, title and author are the first two lines.
  private mutating func readHeader(_ text: UnsafeBufferPointer<UInt8>, _ lines: inout TextLines) {
    let start = lines
    while let line = lines.next() {
      if isBlank(text, line) {
        if header.isEmpty { continue }
        return
      }
      if isRule(text, line) && !header.isEmpty || line.count > Self.maximumHeaderLineBytes {
        lines = TextLines(text, from: line.lowerBound)
        return
      }
      header.append(line)
      if header.count == Self.maximumHeaderLines { break }
    }
    guard header.count > 2 else { return }
    header.removeSubrange(2...)
    lines = start
    while let line = lines.next(), line.lowerBound < header[1].lowerBound {}
  }

  // MARK: Legend

  /// The legend is between two rules; texts of the first years have only the rule after it.
  private func skipLegends(_ text: UnsafeBufferPointer<UInt8>, _ lines: inout TextLines) {
    while let end = endOfLegend(text, lines) { lines = TextLines(text, from: end) }
  }

  private func endOfLegend(_ text: UnsafeBufferPointer<UInt8>, _ lines: TextLines) -> Int? {
    var lines = lines
    var first = lines.next()
    while let line = first, isBlank(text, line) { first = lines.next() }
    guard let first else { return nil }
    var isLegend = opensLegend(text, first)
    guard isLegend || isRule(text, first) else { return nil }
    var count = 0
    while count < Self.maximumLegendLines, let line = lines.next() {
      if isRule(text, line) { return isLegend ? lines.position : nil }
      isLegend = isLegend || opensLegend(text, line) || count == 0 && explainsMark(text, line)
      count += 1
    }
    return nil
  }

  private func opensLegend(_ text: UnsafeBufferPointer<UInt8>, _ line: Range<Int>) -> Bool {
    let line = UnsafeBufferPointer(rebasing: text[line])
    // Written 【テキスト中に現れる記号について】, sometimes with other brackets, and once misspelled テキス禊.
    if line.has("テキス", at: 3) && line.indices.contains(where: { line.has("記号について", at: $0) }) { return true }
    return ["［表記について］", "［収録作品］", "●収録作品", "●目次"].contains { line.has($0, at: 0) }
  }

  /// The first line of a legend without a heading: `［＃］：入力者注　主に外字の説明や、傍点の位置の指定`.
  private func explainsMark(_ text: UnsafeBufferPointer<UInt8>, _ line: Range<Int>) -> Bool {
    let line = UnsafeBufferPointer(rebasing: text[line])
    let marks: [StaticString] = ["《》", "｜", "［＃］", "〔〕", "／＼", "／″＼", "※［＃］", "※"]
    return marks.contains {
      let end = $0.utf8CodeUnitCount
      return line.has($0, at: 0) && (line.has("：", at: end) || line.has(":", at: end))
    }
  }

  // MARK: Body and colophon

  private mutating func splitBody(_ text: UnsafeBufferPointer<UInt8>, _ lines: inout TextLines) {
    let start = lines.position
    var typist: Int?
    while let line = lines.next() {
      if opensColophon(text, line) {
        body = start..<line.lowerBound
        colophon = line.lowerBound..<text.count
        return
      }
      if namesTypist(text, line) { typist = typist ?? line.lowerBound }
    }
    // Without 底本, the names of those who typed and proofread it end the text.
    let end = typist ?? text.count
    body = start..<end
    colophon = end..<text.count
  }

  // MARK: Lines

  private func isBlank(_ text: UnsafeBufferPointer<UInt8>, _ line: Range<Int>) -> Bool {
    var at = line.lowerBound
    while at < line.upperBound {
      if text[at] == 32 || text[at] == 9 { at += 1 } else if text.has("　", at: at) { at += 3 } else { return false }
    }
    return true
  }

  /// `--------` or `========` and longer.
  private func isRule(_ text: UnsafeBufferPointer<UInt8>, _ line: Range<Int>) -> Bool {
    var end = line.upperBound
    while end > line.lowerBound && text[end - 1] == 32 { end -= 1 }
    guard end - line.lowerBound >= 8 else { return false }
    let first = text[line.lowerBound]
    return (first == 0x2D || first == 0x3D) && text[line.lowerBound..<end].allSatisfy { $0 == first }
  }
}
