import PipelineKit
import ShardKit
import TextKit

extension DedupeMinHash {
  /// *signatures*: writes the signatures and the index of one input file.
  func writeSignatures(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let indexFile = try workspace.file(Self.rows, key + ".index")
    let signatureFile = try workspace.file(Self.signatures, key + ".signatures")
    var index = IndexWriter(indexFile)
    var signatures = SignatureWriter(signatureFile, shape: shape, oldForms: options.foldOldForms)
    let priorities = SourcePriorities(options.sources)
    let measures = try DocumentMeasures(workspace, to: Self.measures)
    let stream = workspace.documents(counted: false)
    var document = Document()
    while try stream.next(&document) {
      try index.append(document, priority: priorities[document.source])
      try signatures.append(document.text)
      try measures.append(document)
    }
    try index.finish()
    try signatures.finish()
    try measures.finish()
    try workspace.publish(Self.rows, indexFile, name: key + ".index", documents: index.count)
    try workspace.publish(Self.signatures, signatureFile, name: key + ".signatures", documents: index.count)
  }

  /// *bands*: finds the pairs of documents that share some bands.
  func searchBands(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let file = try workspace.file(Self.candidates, key + ".pairs")
    let accepted = try AcceptedIndex(workspace.files(AcceptedIndex.role), shape, options)
    let table = try table(workspace, accepted)
    let search = CandidateSearch(
      table: table, signatures: try signatureFiles(workspace, accepted),
      absent: try accepted.absent(after: table.ownParts), memoryBytes: memoryBytes(workspace),
      scratch: try workspace.temporaryDirectory() + "/band")
    try search.pairs(of: workspace.payload(), check: workspace.control.check) { try file.write(record: $0) }
    try workspace.publish(Self.candidates, file, name: key + ".pairs")
  }

  /// *comparisons*: keeps the pairs of some documents that may be duplicates.
  func compareSignatures(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let acceptedFile = try workspace.file(Self.accepted, key + ".pairs")
    let undecidedFile = try workspace.file(Self.undecided, key + ".pairs")
    let accepted = try AcceptedIndex(workspace.files(AcceptedIndex.role), shape, options)
    let scratch = try workspace.temporaryDirectory()
    let memory = memoryBytes(workspace)
    let comparison = CandidateComparison(
      try table(workspace, accepted), try signatureFiles(workspace, accepted), shape, bounds, memoryBytes: memory / 2)
    let wanted = ExternalSorter<DocumentNumber>(scratch: scratch + "/wanted", memoryBytes: memory / 8)
    func keep(_ pair: CandidatePair, _ isSure: Bool) throws {
      if isSure { return try acceptedFile.write(record: pair) }
      try undecidedFile.write(record: pair)
      for document in [pair.better, pair.worse] { try wanted.append(DocumentNumber(document)) }
    }
    try forEachCandidate(workspace, memoryBytes: memory / 8 * 3) {
      try comparison.add($0, check: workspace.control.check, keep)
    }
    try comparison.finish(check: workspace.control.check, keep)
    try workspace.publish(Self.accepted, acceptedFile, name: key + ".pairs")
    try workspace.publish(Self.undecided, undecidedFile, name: key + ".pairs")
    let wantedFile = try workspace.file(Self.wanted, key + ".numbers")
    try wanted.forEachDistinct { try wantedFile.write(record: $0) }
    try workspace.publish(Self.wanted, wantedFile, name: key + ".numbers")
  }

  /// The task's pairs from all bands, each once, in order.
  private func forEachCandidate(
    _ workspace: Workspace, memoryBytes: Int, _ body: (DocumentPair) throws -> Void
  ) throws {
    let files = try RecordsByDocument<DocumentPair>(workspace.files(Self.candidates)) { $0.first }
    let sorter = ExternalSorter<DocumentPair>(
      scratch: try workspace.temporaryDirectory() + "/pairs", memoryBytes: memoryBytes)
    var count = 0
    func check() throws {
      count += 1
      if count & 0xFFFF == 0 { try workspace.control.check() }
    }
    try files.forEach(of: workspace.payload()) { pair in
      try check()
      try sorter.append(pair)
    }
    try sorter.forEachDistinct { pair in
      try check()
      try body(pair)
    }
  }

  private func signatureFiles(_ workspace: Workspace, _ accepted: AcceptedIndex) throws -> SignatureFiles {
    try SignatureFiles(workspace.files(Self.signatures) + accepted.signatures, shape: shape)
  }

  /// *texts*: writes the shingle sets of one input file's documents in undecided pairs. A file without any is not read.
  func readUndecidedTexts(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let file = try workspace.file(Self.shingles, key + ".shingles")
    let wanted = try wantedRows(workspace, among: workspace.payload())
    if let last = wanted.lastIndex(of: true) {
      var sets = ShingleFileWriter(file, shape: shape, oldForms: options.foldOldForms)
      let lines = LineReader(try openSource(workspace.file().path))
      let json = JSONObjectReader()
      var row = 0
      while row <= last, let line = try lines.next() {
        if wanted[row] {
          var written: Result<Void, any Error> = .success(())
          _ = json.read(padded: line) { field in
            guard field.has(key: "text") else { return }
            do { try sets.append(row: row, text: field.value) } catch { written = .failure(error) }
          }
          try written.get()
        }
        row += 1
        if row % 64 == 0 { try workspace.control.check() }
      }
      try sets.finish()
    }
    workspace.metric("texts-compared", Double(wanted.count { $0 }))
    try workspace.publish(Self.shingles, file, name: key + ".shingles")
  }

  /// - Parameter documents: the numbers of the file's documents.
  private func wantedRows(_ workspace: Workspace, among documents: Range<Int>) throws -> [Bool] {
    var wanted = [Bool](repeating: false, count: documents.count)
    let files = try RecordsByDocument<DocumentNumber>(workspace.files("wanted")) { $0.number }
    try files.forEach(of: documents) { wanted[Int($0.number) - documents.lowerBound] = true }
    return wanted
  }

  /// *similarities*: stores the pairs of some documents with their similarities.
  func measurePairs(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let file = try workspace.file(Self.similarities, key + ".pairs")
    try forEachPair(workspace.files("accepted")) { pair in
      let similarity = shape.similarity(agreeingHashes: Int(pair.agreeingHashes))
      try file.write(record: MeasuredPair(pair, similarity: similarity, isExact: false))
    }
    let bases = workspace.files("rows").reduce(into: [0]) { $0.append($0.last! + $1.documents) }
    let sets = try ShingleSets(workspace.files("shingles").map(\.path), bases: bases)
    var pages = PageCount(limit: SortingMemory.mappedBytes)
    try forEachPair(workspace.files("undecided")) { pair in
      // Half of the places are those of the tables.
      if pages.touch(4 + (try sets.bytes(pair.better) + sets.bytes(pair.worse)) >> 16) { sets.release() }
      let similarity = try sets.jaccard(pair.better, pair.worse)
      try file.write(record: MeasuredPair(pair, similarity: similarity, isExact: true))
    }
    try workspace.publish(Self.similarities, file, name: key + ".pairs")
  }

  /// *clusters*: lists the removed documents of each input file.
  func chooseRepresentatives(_ workspace: Workspace) throws {
    let table = try table(workspace, try AcceptedIndex(workspace.files(AcceptedIndex.role), shape, options))
    let choice = ClusterRepresentatives(
      table: table, memoryBytes: memoryBytes(workspace), scratch: try workspace.temporaryDirectory() + "/choice")
    var files = DuplicateFiles(workspace, Self.duplicates, table, rows: Self.index)
    let sizes = ClusterSizes(scratch: choice.scratch + "-sizes", memoryBytes: choice.memoryBytes / 4)
    let census = try choice.choose(
      fromPairsIn: workspace.files(Self.similarities).map(\.path), threshold: options.threshold, to: &files,
      options.clusterSize ? sizes : nil)
    try AcceptedIndex.publish(workspace, shape, options)
    if options.clusterSize { try sizes.write(workspace, to: Self.sizes, table) }
    workspace.metric("recall at the threshold", shape.recall(at: options.threshold))
    workspace.metric("pairs", Double(census.pairs))
    workspace.metric("clusters", Double(census.clusters))
    workspace.metric("largest-cluster", Double(census.largestCluster))
  }

  private func table(_ workspace: Workspace, _ accepted: AcceptedIndex) throws -> DocumentTable {
    try DocumentTable(workspace.files(Self.rows).map(\.path), accepted: accepted.rows.map(\.path))
  }

  private func forEachPair(_ files: [ArtifactFile], _ body: (CandidatePair) throws -> Void) throws {
    for file in files { try forEachRecord(of: file.path, as: CandidatePair.self, body) }
  }

  private func memoryBytes(_ workspace: Workspace) -> Int { SortingMemory(options.memory, workspace).bytes }
}

/// Positions of sources in the order given by the options.
struct SourcePriorities {
  private let places: [[UInt8]]

  init(_ sources: [String]) { places = sources.map { Array($0.utf8) } }

  subscript(source: [UInt8]) -> UInt32 { UInt32(places.firstIndex(of: source) ?? places.count) }
}

extension Duplicate {
  init(_ pair: MeasuredPair) {
    self.init(
      document: pair.worse, survivor: pair.better, similarity: UInt32((pair.similarity * Double(Self.whole)).rounded()),
      isExact: pair.isExact)
  }
}
