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

  /// *bands*: finds candidate pairs in some bands and keeps those that may be duplicates.
  func searchBands(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let acceptedFile = try workspace.file(Self.accepted, key + ".pairs")
    let undecidedFile = try workspace.file(Self.undecided, key + ".pairs")
    let accepted = try AcceptedIndex(workspace.files(AcceptedIndex.role), shape, options)
    let table = try table(workspace, accepted)
    let search = CandidateSearch(
      table: table,
      signatures: try SignatureFiles(
        (workspace.files(Self.signatures) + accepted.signatures).map(\.path), shape: shape),
      absent: try accepted.absent(after: table.ownParts), shape: shape, bounds: bounds,
      memoryBytes: memoryBytes(workspace),
      scratch: try workspace.temporaryDirectory() + "/band")
    for band in try workspace.payload(Range<Int>.self) {
      try workspace.control.check()
      try search.search(band: band) { pair in
        try acceptedFile.write(record: pair)
      } possible: { pair in
        try undecidedFile.write(record: pair)
      }
    }
    try workspace.publish(Self.accepted, acceptedFile, name: key + ".pairs")
    try workspace.publish(Self.undecided, undecidedFile, name: key + ".pairs")
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
    }
    workspace.metric("texts-compared", Double(wanted.count { $0 }))
    try workspace.publish(Self.shingles, file, name: key + ".shingles")
  }

  /// - Parameter documents: the numbers of the file's documents.
  private func wantedRows(_ workspace: Workspace, among documents: Range<Int>) throws -> [Bool] {
    var wanted = [Bool](repeating: false, count: documents.count)
    try forEachPair(workspace.files(Self.undecided)) { pair in
      for document in [pair.better, pair.worse] where documents.contains(Int(document)) {
        wanted[Int(document) - documents.lowerBound] = true
      }
    }
    return wanted
  }

  /// *clusters*: stores the pairs with their similarities, and lists the removed documents of each input file.
  func chooseRepresentatives(_ workspace: Workspace) throws {
    let table = try table(workspace, try AcceptedIndex(workspace.files(AcceptedIndex.role), shape, options))
    let file = try workspace.file(Self.similarities, "all.pairs")
    let pairs = try writeSimilarities(file, table, workspace)
    try workspace.publish(Self.similarities, file, name: "all.pairs")
    let choice = ClusterRepresentatives(
      table: table, memoryBytes: memoryBytes(workspace), scratch: try workspace.temporaryDirectory() + "/choice")
    var files = DuplicateFiles(workspace, Self.duplicates, table, rows: Self.index)
    let sizes = ClusterSizes(scratch: choice.scratch + "-sizes", memoryBytes: choice.memoryBytes / 4)
    let census = try choice.choose(
      fromPairsIn: file.path, threshold: options.threshold, to: &files, options.clusterSize ? sizes : nil)
    try AcceptedIndex.publish(workspace, shape, options)
    if options.clusterSize { try sizes.write(workspace, to: Self.sizes, table) }
    workspace.metric("recall at the threshold", shape.recall(at: options.threshold))
    workspace.metric("pairs", Double(pairs))
    workspace.metric("clusters", Double(census.clusters))
    workspace.metric("largest-cluster", Double(census.largestCluster))
  }

  private func table(_ workspace: Workspace, _ accepted: AcceptedIndex) throws -> DocumentTable {
    try DocumentTable(workspace.files(Self.rows).map(\.path), accepted: accepted.rows.map(\.path))
  }

  /// - Returns: how many of the pairs are duplicates.
  private func writeSimilarities(_ file: FileSink, _ table: DocumentTable, _ workspace: Workspace) throws -> Int {
    var pairs = 0
    func write(_ pair: CandidatePair, _ similarity: Double, isExact: Bool) throws {
      try file.write(record: MeasuredPair(pair, similarity: similarity, isExact: isExact))
      if similarity >= options.threshold { pairs += 1 }
    }
    try forEachPair(workspace.files(Self.accepted)) { pair in
      try write(pair, shape.similarity(agreeingHashes: Int(pair.agreeingHashes)), isExact: false)
    }
    let sets = try ShingleSets(workspace.files(Self.shingles).map(\.path), bases: table.bases)
    var pages = PageCount(limit: memoryBytes(workspace) / 2)
    try forEachPair(workspace.files(Self.undecided)) { pair in
      if pages.touch(2 + (sets.bytes(pair.better) + sets.bytes(pair.worse)) >> 16) { sets.release() }
      try write(pair, sets.jaccard(pair.better, pair.worse), isExact: true)
    }
    return pairs
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
