import PipelineKit
import ShardKit

/// Documents that are sent together.
struct DocumentBatch {
  let format: FrameFormat
  private(set) var documents: [Document] = []
  /// About what is sent.
  private(set) var bytes = 0
  /// As JSON; none with Arrow.
  private var lines: [UInt8] = []
  private var ends: [Int] = []

  init(_ format: FrameFormat) { self.format = format }

  var count: Int { documents.count }

  mutating func append(_ document: Document) {
    documents.append(document)
    guard format == .json else {
      bytes += document.id.count + document.text.count + document.source.count + document.metadata.count
      return
    }
    Self.append(document, to: &lines)
    ends.append(lines.count)
    bytes = lines.count
  }

  private static func append(_ document: Document, to lines: inout [UInt8]) {
    let start = lines.count
    document.append(to: &lines)
    // Metadata may have line breaks between its values.
    guard document.metadata.contains(10) else { return }
    for place in start..<(lines.count - 1) where lines[place] == 10 { lines[place] = 32 }
  }

  /// What a frame has of it.
  /// - Throws: `ShardError` if it cannot be written as Arrow.
  func payload() throws -> [UInt8] { format == .json ? lines : try ArrowFrame.encode(documents) }

  /// Gives the JSON line of a document, without its line end.
  func withLine(_ place: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    guard format == .json else {
      var line: [UInt8] = []
      line.reserveCapacity(documents[place].text.count + documents[place].metadata.count + 256)
      Self.append(documents[place], to: &line)
      return try line.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
    }
    let start = place == 0 ? 0 : ends[place - 1]
    try lines.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[start..<ends[place] - 1])) }
  }

  /// Two batches, of at least two documents.
  var halves: [DocumentBatch] {
    let middle = count / 2
    return [documents[..<middle], documents[middle...]].map { part in
      var half = DocumentBatch(format)
      for document in part { half.append(document) }
      return half
    }
  }
}
