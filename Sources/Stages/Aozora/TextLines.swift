import Glibc

/// Ranges of the lines of a text, without their ends: LF, CRLF or CR alone (as old Macintosh files have).
struct TextLines {
  private let text: UnsafeBufferPointer<UInt8>
  private(set) var position: Int

  init(_ text: UnsafeBufferPointer<UInt8>, from position: Int = 0) {
    self.text = text
    self.position = position
  }

  mutating func next() -> Range<Int>? {
    guard position < text.count, let base = text.baseAddress else { return nil }
    let start = position
    let feed = offset(of: 10, base, start, text.count) ?? text.count
    let end = offset(of: 13, base, start, feed) ?? feed
    // CRLF: the carriage return stands right before the line feed.
    position = end + 1 == feed && feed < text.count ? feed + 1 : end + 1
    return start..<end
  }

  private func offset(of byte: Int32, _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int? {
    guard let hit = memchr(base + start, byte, end - start) else { return nil }
    return UnsafeRawPointer(hit) - UnsafeRawPointer(base)
  }
}
