import Glibc

/// Ranges of the lines of a text, without their ends: LF, CRLF or CR alone (as in old Macintosh files).
struct TextLines {
  private let text: UnsafeBufferPointer<UInt8>
  /// Start of the next line; never after the text's end.
  private(set) var position: Int
  /// The next line feed at or after `position`, searched once: many lines may end in CR before it.
  private var feed = -1

  init(_ text: UnsafeBufferPointer<UInt8>, from position: Int = 0) {
    self.text = text
    self.position = min(position, text.count)
  }

  mutating func next() -> Range<Int>? {
    guard position < text.count, let base = text.baseAddress else { return nil }
    let start = position
    if feed < start { feed = offset(of: 10, base, start, text.count) ?? text.count }
    let end = offset(of: 13, base, start, feed) ?? feed
    // CRLF: the carriage return is directly before the line feed.
    position = min(text.count, end + 1 == feed ? feed + 1 : end + 1)
    return start..<end
  }

  private func offset(of byte: Int32, _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int? {
    guard let hit = memchr(base + start, byte, end - start) else { return nil }
    return UnsafeRawPointer(hit) - UnsafeRawPointer(base)
  }
}
