import NetKit
import PipelineKit
import ShardKit

/// The lines of `http.download`, from its option and from lists.
enum DownloadList {
  private static let maximumLineBytes = 1 << 16

  /// The first lines, each parsed, without comments; no two give the same name.
  static func read(
    _ urls: [String], _ lists: [ArtifactFile], below root: String, maximumLines: Int
  ) throws -> [String] {
    var lines: [String] = []
    var places: [ExactText: String] = [:]
    func add(_ text: String, _ place: String) throws {
      let name = try DownloadLine(text, below: root, in: place).name
      if let other = places.updateValue(place, forKey: ExactText(name)) {
        throw StageError(
          .options, place, "two files have the name '\(name)'; the other is in \(other)",
          hint: "Write another name after the URL.")
      }
      lines.append(text)
    }
    for url in urls.prefix(maximumLines) { try add(url, "urls") }
    for list in lists {
      let reader = LineReader(try openSource(list.path), maximumLineBytes: maximumLineBytes, ends: .any)
      while lines.count < maximumLines, let line = try reader.next() {
        let text = content(line)
        if !text.isEmpty { try add(text, "\(list.path), line \(reader.number)") }
      }
    }
    return lines
  }

  /// Words separated by single spaces, up to a comment. A # within a word is part of a URL.
  private static func content(_ line: UnsafeRawBufferPointer) -> String {
    String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace).prefix { !$0.hasPrefix("#") }
      .joined(separator: " ")
  }
}

/// A line of `http.download`: `URL [DIGEST…] [BYTES] [NAME]`.
struct DownloadLine {
  var url: WebURL
  var expectation = DownloadExpectation()
  var name: String

  /// - Parameters:
  ///   - root: the base URL of lines that are only paths; empty for none.
  ///   - place: the position of the line, for messages.
  init(_ line: String, below root: String, in place: String) throws {
    var words = line.split(separator: " ").map(String.init)
    guard !words.isEmpty else { throw StageError(.options, place, "a line is empty") }
    var address = words.removeFirst()
    if !root.isEmpty, address.firstRange(of: "://") == nil {
      address = (root.hasSuffix("/") ? root : root + "/") + address.drop { $0 == "/" }
    }
    do throws(NetError) { url = try WebURL(address) } catch {
      throw StageError(.options, place, error.message, hint: error.hint)
    }
    try refuseSecret(url, place, hint: "Use \"tokenVariable\".")
    let path = url.target.prefix { $0 != "?" }
    name = path.split(separator: "/").last.map(String.init) ?? ""
    for word in words {
      if let checksum = Checksum(word) {
        expectation.checksums.append(checksum)
      } else if let bytes = Int64(word), bytes >= 0 {
        expectation.bytes = bytes
      } else {
        guard word.firstRange(of: ":") == nil else {
          throw StageError(
            .options, place, "'\(word)' is not a digest",
            hint: "Write sha256:, sha1: or md5: and the hexadecimal digits.")
        }
        name = word
      }
    }
    guard ArchivePath.isSafe(name), !name.hasPrefix("."), !name.hasSuffix("/") else {
      throw StageError(.options, place, "'\(name)' is not a file name", hint: "Write a name after \(url).")
    }
  }
}
