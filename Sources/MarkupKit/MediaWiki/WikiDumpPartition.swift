/// A part of a dump that one task reads: a byte range of plain XML, a run of bzip2 streams or of blocks, or a whole file.
///
/// Plain XML is cut before a `<page>`; a multistream dump between streams; one with large bzip2 streams between their
/// blocks, where a part has the pages that begin in its blocks. Another dump that is one compressed stream cannot be cut.
/// Partitions of a dump follow one another without gaps, so reading them in order is reading the dump.
public struct WikiDumpPartition: Equatable, Sendable {
  public enum Form: String, Sendable { case whole, plain, streams, blocks }

  public var form: Form
  /// In bytes; of blocks in bits, as they begin anywhere. The first block's is 0.
  public var start: Int64
  public var end: Int64
  /// Where each bzip2 stream starts; for `streams` alone.
  var streams: [Int64] = []
  /// Whether it holds the dump's end.
  public var isLast: Bool

  /// Its share of the file.
  public var bytes: Int64 { form == .blocks ? (end - start) / 8 : end - start }

  /// One line: form, start, end, `last` or `more`, then the streams' offsets from the one before.
  public var line: String {
    var words = [form.rawValue, "\(start)", "\(end)", isLast ? "last" : "more"]
    var previous = start
    for stream in streams {
      words.append("\(stream - previous)")
      previous = stream
    }
    return words.joined(separator: " ")
  }

  public init?(line: String) {
    let words = line.split(separator: " ")
    guard words.count >= 4, let form = Form(rawValue: String(words[0])), let start = Int64(words[1]),
      let end = Int64(words[2])
    else { return nil }
    self.init(form: form, start: start, end: end, isLast: words[3] == "last")
    var previous = start
    for word in words.dropFirst(4) {
      guard let step = Int64(word) else { return nil }
      previous &+= step
      streams.append(previous)
    }
  }

  init(form: Form, start: Int64, end: Int64, streams: [Int64] = [], isLast: Bool) {
    self.form = form
    self.start = start
    self.end = end
    self.streams = streams
    self.isLast = isLast
  }
}
