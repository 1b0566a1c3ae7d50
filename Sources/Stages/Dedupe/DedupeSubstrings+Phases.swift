import PipelineKit
import ShardKit
import TextKit

extension DedupeSubstrings {
  /// *anchors*: the index and the places of one input file.
  func writeAnchors(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let indexFile = try workspace.file(Self.index, key + ".index")
    let anchorFile = try workspace.file(Self.anchors, key + ".anchors")
    var index = IndexWriter(indexFile)
    let window = options.minimumCharacters
    var units = PassageUnits(), anchors = WindowAnchors(window: window)
    let priorities = SourcePriorities(options.sources)
    let stream = workspace.documents(counted: false)
    let sorter = ExternalSorter<AnchoredWindows>(
      scratch: try workspace.temporaryDirectory() + "/anchors", memoryBytes: memoryBytes(workspace))
    var document = Document()
    while try stream.next(&document) {
      let priority = priorities[document.source], row = UInt32(index.count)
      try index.append(document, priority: priority)
      try units.read(document)
      try units.values.withUnsafeBufferPointer { values in
        try anchors.forEach(values) { anchor in
          let windows = anchor.windows
          let span = values[windows.lowerBound..<(windows.upperBound + window - 1)]
          try sorter.append(
            AnchoredWindows(
              key: anchor.key, span: TextIdentity(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: span))),
              priority: priority,
              document: row, first: UInt32(windows.lowerBound), count: UInt32(windows.count)))
        }
      }
    }
    try index.finish()
    try sorter.drain { try anchorFile.write(record: $0) }
    try workspace.publish(Self.index, indexFile, name: key + ".index", documents: index.count)
    try workspace.publish(Self.anchors, anchorFile, name: key + ".anchors")
  }

  /// *groups*: among windows that chose equal places, those of equal spans are copies of the first of them. The first ones
  /// of different spans may have equal windows still: these are left open.
  func group(_ workspace: Workspace) throws {
    let share = try workspace.payload(PassageShare.self), scratch = try workspace.temporaryDirectory()
    let memoryBytes = memoryBytes(workspace)
    let sorter = ExternalSorter<AnchoredWindows>(scratch: scratch + "/anchors", memoryBytes: memoryBytes / 2)
    let spans = ExternalSorter<PassageSpan>(scratch: scratch + "/spans", memoryBytes: memoryBytes / 4)
    let open = ExternalSorter<OpenWindows>(scratch: scratch + "/open", memoryBytes: memoryBytes / 4)
    var windows = 0
    try forEach(AnchoredWindows.self, share, workspace) { anchored in
      windows += Int(anchored.count)
      try sorter.append(anchored)
    }
    var groups = SpanGroups()
    try sorter.drain { try groups.add($0, copy: spans.append, open: open.append) }
    try groups.finish(copy: spans.append, open: open.append)
    try write(spans, workspace)
    let key = workspace.task.key
    let openFile = try workspace.file(Self.open, key + ".open")
    try open.drain { try openFile.write(record: $0) }
    try workspace.publish(Self.open, openFile, name: key + ".open")
    try workspace.write(Self.counts, name: key + ".json", Array(JSONValue.integer(windows).text().utf8))
  }

  /// *windows*: hashes the open windows of one input file. A file without any is not read.
  func writeWindows(_ workspace: Workspace) throws {
    let key = workspace.task.key, place = try workspace.payload(PassageFile.self)
    let file = try workspace.file(Self.windows, key + ".windows")
    var open = try MergedRecords<OpenWindows>(workspace.files(Self.open).map(\.path), documents: place.documents)
    let index = try IndexReader(workspace.file("index").path)
    let sorter = ExternalSorter<ComparedWindow>(
      scratch: try workspace.temporaryDirectory() + "/windows", memoryBytes: memoryBytes(workspace))
    let stream = workspace.documents(counted: false)
    var document = Document(), units = PassageUnits(), row = 0, compared = 0
    while let next = open.peek, try stream.next(&document) {
      defer { row += 1 }
      guard Int(next.document) == place.documents.lowerBound + row else { continue }
      try units.read(document)
      let priority = index.entry(row).priority
      while let span = open.peek, span.document == next.document {
        _ = open.next()
        guard Int(span.first) + Int(span.count) + options.minimumCharacters - 1 <= units.count else {
          throw changed(workspace)
        }
        try units.values.withUnsafeBufferPointer { values in
          for first in span.first..<(span.first + span.count) {
            let text = values[Int(first)..<(Int(first) + options.minimumCharacters)]
            try sorter.append(
              ComparedWindow(
                text: TextIdentity(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: text))), priority: priority,
                document: UInt32(row),
                first: first, isRepeated: span.isRepeated))
          }
        }
        compared += Int(span.count)
      }
    }
    guard open.peek == nil else { throw changed(workspace) }
    try sorter.drain { try file.write(record: $0) }
    workspace.metric("windows-compared", Double(compared))
    try workspace.publish(Self.windows, file, name: key + ".windows")
  }

  private func changed(_ workspace: Workspace) -> ShardError {
    ShardError(
      .malformed, workspace.files(.main).first?.path ?? "", "its documents changed since it was first read",
      hint: "Run again, and do not change inputs during a run.")
  }

  /// *matches*: of equal windows the first is kept.
  func match(_ workspace: Workspace) throws {
    let share = try workspace.payload(PassageShare.self), scratch = try workspace.temporaryDirectory()
    let memoryBytes = memoryBytes(workspace)
    let sorter = ExternalSorter<ComparedWindow>(scratch: scratch + "/windows", memoryBytes: memoryBytes / 2)
    let spans = ExternalSorter<PassageSpan>(scratch: scratch + "/spans", memoryBytes: memoryBytes / 4)
    try forEach(ComparedWindow.self, share, workspace, sorter.append)
    var first: ComparedWindow?
    func keep() throws {
      guard let first, first.isRepeated == 1 else { return }
      try spans.append(.kept(document: first.document, first: first.first, count: 1))
    }
    try sorter.drain { window in
      guard let kept = first, kept.text == window.text else {
        try keep()
        first = window
        return
      }
      first!.isRepeated = 1
      try spans.append(
        PassageSpan(
          document: window.document, first: window.first, count: 1, keptDocument: kept.document, keptFirst: kept.first))
    }
    try keep()
    try write(spans, workspace)
  }

  /// The records of all files whose hash is in a share, with documents numbered. Files are sorted by it.
  private func forEach<Record: NumberedRecord>(
    _ type: Record.Type, _ share: PassageShare, _ workspace: Workspace, _ body: (Record) throws -> Void
  ) throws {
    let table = try DocumentTable(workspace.files(Self.index).map(\.path))
    for (part, file) in workspace.files(.main).enumerated() {
      try workspace.control.check()
      try forEachRecord(of: file.path, as: type, in: share) { record in
        var record = record
        record.document += UInt32(table.bases[part])
        try body(record)
      }
    }
  }

  private func write(_ spans: ExternalSorter<PassageSpan>, _ workspace: Workspace) throws {
    let name = workspace.task.key + ".spans"
    let file = try workspace.file(Self.spans, name)
    var writer = PassageSpanWriter(file)
    try spans.drain { try writer.append($0) }
    try writer.finish()
    try workspace.publish(Self.spans, file, name: name)
  }

  private func memoryBytes(_ workspace: Workspace) -> Int { SortingMemory(options.memory, workspace).bytes }

  /// *merge*: all spans by document, one file per input file.
  func merge(_ workspace: Workspace) throws {
    let table = try DocumentTable(workspace.files(Self.index).map(\.path))
    var spans = try MergedRecords<PassageSpan>(workspace.files(Self.spans).map(\.path))
    var removals = RemovalWarning("passages of \(options.minimumCharacters) characters")
    for part in table.parts.indices {
      let name = TaskPlan.padded(part) + ".passages"
      let file = try workspace.file(Self.passages, name)
      var writer = PassageSpanWriter(file)
      while let span = spans.peek, Int(span.document) < table.bases[part + 1] {
        _ = spans.next()
        try writer.append(span)
        guard !span.isKept else { continue }
        removals.remove(
          "at character \(span.first + 1) of \(table.name(span.document)) as in \(table.name(span.keptDocument))",
          times: Int(span.count))
      }
      try writer.finish()
      try workspace.publish(Self.passages, file, name: name)
      try workspace.control.check()
    }
    let windows = try workspace.files(Self.counts).reduce(0) { sum, file in
      sum + (try JSONValue.parse(FileSystem.read(file.path)).value.integer ?? 0)
    }
    removals.finish(of: windows, others: table.someNames, workspace)
  }
}

/// A record whose document is a row in a file, and a number when all files are read together.
protocol NumberedRecord: SortableRecord { var document: UInt32 { get set } }

extension AnchoredWindows: NumberedRecord {}
extension ComparedWindow: NumberedRecord {}

/// Goes through sorted anchors: see `DedupeSubstrings.group`.
private struct SpanGroups {
  /// The first of the current span, and how many there are.
  private var span: (first: AnchoredWindows, members: Int)?
  /// The first of the group's first span, until another span turns up.
  private var alone: (first: AnchoredWindows, members: Int)?
  private var spans = 0

  mutating func add(
    _ next: AnchoredWindows, copy: (PassageSpan) throws -> Void, open: (OpenWindows) throws -> Void
  ) throws {
    guard let (first, _) = span, first.key == next.key else {
      try finish(copy: copy, open: open)
      span = (next, 1)
      return
    }
    guard first.span == next.span else {
      try endSpan(open: open)
      span = (next, 1)
      return
    }
    span!.members += 1
    try copy(
      PassageSpan(
        document: next.document, first: next.first, count: next.count, keptDocument: first.document,
        keptFirst: first.first))
  }

  private mutating func endSpan(open: (OpenWindows) throws -> Void) throws {
    guard let span else { return }
    spans += 1
    if spans == 1 {
      alone = span
    } else {
      if let alone { try open(OpenWindows(alone.first, isRepeated: alone.members > 1)) }
      alone = nil
      try open(OpenWindows(span.first, isRepeated: span.members > 1))
    }
    self.span = nil
  }

  /// Ends the group.
  mutating func finish(copy: (PassageSpan) throws -> Void, open: (OpenWindows) throws -> Void) throws {
    try endSpan(open: open)
    if let alone, alone.members > 1 {
      try copy(.kept(document: alone.first.document, first: alone.first.first, count: alone.first.count))
    }
    (span, alone, spans) = (nil, nil, 0)
  }
}

extension OpenWindows {
  fileprivate init(_ windows: AnchoredWindows, isRepeated: Bool) {
    self.init(
      document: windows.document, first: windows.first, count: windows.count, isRepeated: isRepeated ? 1 : 0)
  }
}
