import ShardKit

/// One message between the runner and a program: a header line `KIND NUMBER COUNT BYTES`, then so many bytes, which are so
/// many lines of JSON, or an Arrow IPC stream with so many rows.
///
/// The runner sends `documents`, numbered from 1; the program first says `ready 1 0 0` (the protocol's version; `ready-arrow` for Arrow) and then
/// answers each with `verdicts` of the same number and count.
enum Frame {
  static let longestHeader = 80
  static let version = 1

  static func header(_ kind: String, number: Int, count: Int, bytes: Int) -> [UInt8] {
    Array("\(kind) \(number) \(count) \(bytes)\n".utf8)
  }

  struct Header: Equatable {
    var kind: String
    var number: Int
    var count: Int
    var bytes: Int
    /// Of the header line, with its line end.
    var length: Int
  }

  enum Reading: Equatable {
    case incomplete
    case header(Header)
    /// Not a header; its beginning, for messages.
    case broken(String)
  }

  static func readHeader(_ received: ArraySlice<UInt8>) -> Reading {
    let start = received.prefix(longestHeader)
    guard let end = start.firstIndex(of: 10) else {
      return received.count < longestHeader ? .incomplete : .broken(shown(start))
    }
    let words = start[..<end].split(separator: 32, omittingEmptySubsequences: false)
    let numbers = words.dropFirst().compactMap(number)
    guard words.count == 4, numbers.count == 3 else { return .broken(shown(start[..<end])) }
    return .header(
      Header(
        kind: String(decoding: words[0], as: UTF8.self), number: numbers[0], count: numbers[1], bytes: numbers[2],
        length: end - received.startIndex + 1))
  }

  /// Digits alone, below 2^50.
  private static func number(_ word: ArraySlice<UInt8>) -> Int? {
    guard !word.isEmpty, word.count <= 15, word.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
    return word.reduce(0) { $0 * 10 + Int($1) - 48 }
  }

  /// The beginning of what was read, readable.
  static func shown(_ bytes: some Collection<UInt8>, mostBytes: Int = 60) -> String {
    let text = String(decoding: bytes.prefix(mostBytes), as: UTF8.self)
    return String(text.map { $0.isASCII && ($0.asciiValue ?? 0) < 32 || $0 == "\u{7F}" ? "·" : $0 })
  }
}
