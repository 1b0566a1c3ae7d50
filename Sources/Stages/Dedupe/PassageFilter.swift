import PipelineKit
import ShardKit
import TextKit

/// The last phase of `dedupe.substrings`: cuts the copies out of one input file's documents.
struct PassageFilter {
  /// Passages per document that are recorded for `pipeline trace`.
  static let mostRecorded = 100
  private let options: DedupeSubstrings.Options
  private let workspace: Workspace
  private let table: DocumentTable
  private let places: KeptPlaces
  private let place: PassageFile

  init(_ options: DedupeSubstrings.Options, _ workspace: Workspace) throws {
    self.options = options
    self.workspace = workspace
    place = try workspace.payload(PassageFile.self)
    table = try DocumentTable(workspace.files("index").map(\.path))
    places = try KeptPlaces(workspace.files("passages").map(\.path), table)
  }

  func run() throws {
    let input = try workspace.file()
    let lines = LineReader(try openSource(input.path))
    let index = table.parts[place.part]
    let kept = try workspace.documents(to: DedupeSubstrings.kept)
    var spans = try MergedRecords<PassageSpan>([workspace.files("passages")[place.part].path])
    var units = PassageUnits(), row = 0
    while let line = try lines.next() {
      guard row < index.count else { break }
      let textBytes = Int(index.entry(row).textBytes)
      workspace.countInput(bytes: textBytes)
      var own: [PassageSpan] = []
      while let span = spans.peek, Int(span.document) == place.documents.lowerBound + row {
        own.append(span)
        _ = spans.next()
      }
      if own.allSatisfy(\.isKept) {
        try kept.write(line: line, id: index.id(row), textBytes: textBytes)
      } else {
        try shorten(line, own, &units, kept)
      }
      row += 1
      if row % 64 == 0 {
        try workspace.control.check()
        table.release()
        places.release()
      }
    }
    guard row == index.count, spans.peek == nil else { throw changed(input) }
  }

  private func changed(_ input: ArtifactFile) -> ShardError {
    ShardError(
      .malformed, input.path, "its documents changed since it was first read",
      hint: "Run again, and do not change inputs during a run.")
  }

  private func shorten(
    _ line: UnsafeRawBufferPointer, _ spans: [PassageSpan], _ units: inout PassageUnits, _ kept: DocumentOutput
  ) throws {
    guard var document = try DocumentReader(MemorySource(Array(line), name: "a document")).next() else { return }
    try units.read(document)
    let removal = PassageRemoval(spans, window: options.minimumCharacters)
    guard removal.passages.last.map({ $0.units.upperBound <= units.count }) ?? true else {
      throw changed(try workspace.file())
    }
    workspace.metric("characters-shared", Double(removal.shared))
    let cuts = removal.cuts(in: units.values)
    guard !cuts.isEmpty else {
      try kept.write(document)
      return
    }
    let whole = document.text
    document.text = Self.text(whole, without: cuts, units)
    let passages = resolved(cuts)
    let removed = passages.reduce(0) { $0 + $1.units.count }
    let remaining = units.count - removed
    workspace.metric("passages-removed", Double(passages.count))
    workspace.metric("characters-removed", Double(removed))
    workspace.metric("bytes-removed", Double(whole.count - document.text.count))
    let isBlank = document.text.allSatisfy { $0 == 0x20 || 0x09...0x0D ~= $0 }
    guard isBlank || remaining < options.minimumRemaining, !removal.keeps else {
      workspace.metric("documents-shortened", 1)
      for passage in passages.prefix(Self.mostRecorded) {
        try workspace.note(document.id, reason(passage, whole, units))
      }
      try kept.write(document)
      return
    }
    document.text = whole
    workspace.metric("characters-dropped", Double(remaining))
    try workspace.drop(
      document,
      DropReason(
        "copied-passages", value: Double(remaining), threshold: Double(options.minimumRemaining),
        survivor: Array(table.id(passages[0].keptDocument)),
        detail: "\(passages.count) passages were copies, \(removed) characters"))
  }

  /// Each passage with the document where a copy is really kept; what stands together and is kept in one document is one.
  private func resolved(_ passages: [PassageRemoval.Passage]) -> [PassageRemoval.Passage] {
    var resolved: [PassageRemoval.Passage] = []
    for var passage in passages {
      passage.keptDocument = places.final(passage.keptDocument, passage.keptFirst)
      if let last = resolved.last, last.keptDocument == passage.keptDocument,
        last.units.upperBound == passage.units.lowerBound
      {
        resolved[resolved.count - 1].units = last.units.lowerBound..<passage.units.upperBound
      } else {
        resolved.append(passage)
      }
    }
    return resolved
  }

  private static func text(_ whole: [UInt8], without passages: [PassageRemoval.Passage], _ units: PassageUnits)
    -> [UInt8]
  {
    var text: [UInt8] = [], next = 0
    text.reserveCapacity(whole.count)
    for passage in passages {
      let bytes = units.bytes(passage.units)
      text += whole[next..<bytes.lowerBound]
      next = bytes.upperBound
    }
    return text + whole[next...]
  }

  /// What is recorded of a removed passage.
  private func reason(_ passage: PassageRemoval.Passage, _ text: [UInt8], _ units: PassageUnits) -> DropReason {
    let shown = passage.units.prefix(40)
    let start = String(decoding: text[units.bytes(shown)], as: UTF8.self)
    let more = shown.count < passage.units.count ? "…" : ""
    return DropReason(
      "copied-passage", value: Double(passage.units.count),
      survivor: Array(table.id(passage.keptDocument)),
      detail: "at character \(passage.units.lowerBound + 1): \(start)\(more)")
  }
}

/// Where the kept copy of a window stands, from the spans of all documents.
private struct KeptPlaces {
  private let table: DocumentTable
  private let files: [MappedFile]

  init(_ paths: [String], _ table: DocumentTable) throws(ShardError) {
    var files: [MappedFile] = []
    for path in paths { files.append(try MappedFile(path)) }
    (self.files, self.table) = (files, table)
  }

  /// The document that holds the kept copy. A span names the first of equal spans, whose windows may be copies in turn.
  func final(_ document: UInt32, _ first: UInt32) -> UInt32 {
    let spans = files[table.locate(document).part].bytes.bindMemory(to: PassageSpan.self)
    let after = MergedRecords<PassageSpan>.lowerBound(spans, UInt64(document) << 32 | (UInt64(first) + 1))
    guard after > 0, case let span = spans[after - 1], span.document == document, first < span.first + span.count else {
      return document
    }
    return span.keptDocument
  }

  func release() { for file in files { file.release() } }
}
