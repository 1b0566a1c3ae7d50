import CKernels
import PipelineKit
import ShardKit

extension DedupeSemantic {
  /// *rows*: the index of one input file, and its documents' vectors at length one.
  func writeRows(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let indexFile = try workspace.file(Self.rows, key + ".index")
    let unitFile = try workspace.file(Self.units, key + ".units")
    var index = IndexWriter(indexFile)
    let measures = try DocumentMeasures(workspace, to: Self.measures)
    let priorities = SourcePriorities(options.sources)
    var vectors = try VectorFileReader(workspace.file("vectors").path)
    let group = Int(PL_VECTOR_GROUP)
    var vector = [Float](repeating: 0, count: (vectors.size + group - 1) / group * group)
    let stream = workspace.documents(counted: false)
    var document = Document()
    // Of equal ids each has its own vector only if none of the documents is missing.
    let isFiltered = vectors.vectors != (try workspace.file()).documents
    let repeated = isFiltered ? try vectors.repeatedIDs() : []
    while try stream.next(&document) {
      guard repeated.isEmpty || !repeated.contains(recordHash(document.id)) else {
        throw StageError(
          .input, "inputs.vectors", "have several of the id '\(document.idString)', and some documents are missing",
          hint: "Wire the documents.embed to the stage that 'documents' is wired to.")
      }
      guard try vectors.read(recordHash(document.id), into: &vector) else {
        throw StageError(
          .input, "inputs.vectors", "lack one of document '\(document.idString)' at its place",
          hint: "Wire the documents.embed to the same stages, in the same order, or to those before a filter.")
      }
      let norm = vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      guard norm > 0, norm.isFinite else {
        throw StageError(
          .input, "inputs.vectors", "the one of document '\(document.idString)' has no direction",
          hint: "Check the model that made it.")
      }
      try unitFile.write(records: vector.map { Float(Double($0) / norm) }[...])
      try index.append(document, priority: priorities[document.source])
      try measures.append(document)
    }
    try index.finish()
    try measures.finish()
    try workspace.publish(Self.rows, indexFile, name: key + ".index", documents: index.count)
    try workspace.publish(Self.units, unitFile, name: key + ".units", documents: index.count)
  }

  private func vectors(_ workspace: Workspace) throws -> VectorTable {
    try VectorTable(
      try DocumentTable(workspace.files("index").map(\.path)), workspace.files("units").map(\.path))
  }

  /// *centers*: clusters a sample, the documents with the smallest hashes of their ids.
  func findCenters(_ workspace: Workspace) throws {
    let vectors = try vectors(workspace), count = try workspace.payload(Int.self)
    let samples = count > 1 ? try samples(count * DirectionClusters.samplesPerCluster, vectors.table, workspace) : []
    var pages = PageCount(limit: SortingMemory.mappedBytes)
    let clusters = try DirectionClusters(
      count: min(count, samples.count), width: vectors.width, samples: samples, check: workspace.control.check
    ) { document in
      if pages.touch(2) { vectors.release() }
      return vectors[document]
    }
    let file = try workspace.file(Self.centers, "all.centers")
    try file.write(records: clusters.centers[...])
    workspace.metric("clusters-of-vectors", Double(count))
    try workspace.publish(Self.centers, file, name: "all.centers", documents: count)
  }

  private func samples(_ count: Int, _ table: DocumentTable, _ workspace: Workspace) throws -> [UInt32] {
    let sorter = ExternalSorter<HashedNumber>(
      scratch: try workspace.temporaryDirectory() + "/samples",
      memoryBytes: SortingMemory(options.memory, workspace).bytes)
    for document in 0..<UInt32(table.count) {
      try sorter.append(HashedNumber(hash: recordHash(table.id(document)), document: document))
      if document % 4096 == 0 {
        table.release()
        try workspace.control.check()
      }
    }
    var samples: [UInt32] = []
    try sorter.drain { if samples.count < count { samples.append($0.document) } }
    return samples
  }

  /// *members*: the documents of one input file by the clusters that they are compared in.
  func assign(_ workspace: Workspace) throws {
    let key = workspace.task.key, index = try workspace.file("index")
    let rows = try VectorRows(workspace.file("units").path, count: index.documents)
    var clusters = try DirectionClusters(path: workspace.file("centers").path, width: rows.width)
    let sorter = ExternalSorter<ClusterMember>(
      scratch: try workspace.temporaryDirectory() + "/members",
      memoryBytes: SortingMemory(options.memory, workspace).bytes)
    for row in 0..<rows.count {
      let nearest = clusters.count > 1 ? clusters.nearest(rows[row], options.nearestClusters) : [0]
      for cluster in nearest { try sorter.append(ClusterMember(cluster: cluster, document: UInt32(row))) }
      if row % 1024 == 0 {
        rows.release()
        try workspace.control.check()
      }
    }
    let file = try workspace.file(Self.members, key + ".members")
    try sorter.drain { try file.write(record: $0) }
    try workspace.publish(Self.members, file, name: key + ".members")
  }

  /// *pairs*: the similar pairs of some clusters.
  func findPairs(_ workspace: Workspace) throws {
    let key = workspace.task.key, vectors = try vectors(workspace)
    let lists = try workspace.files("members").map { try MemberList($0.path) }
    let file = try workspace.file(Self.pairs, key + ".pairs")
    var search = SemanticPairs(vectors, floor: options.floor, workspace.control)
    for cluster in try workspace.payload(Range<Int>.self) {
      var members: [UInt32] = []
      for (part, list) in lists.enumerated() {
        list.forEachRow(of: cluster) { members.append(UInt32(vectors.table.bases[part]) + $0) }
      }
      try search.search(members) { try file.write(record: $0) }
    }
    workspace.warn(
      "pairs-limited", times: search.limited,
      "times a document has \(SemanticPairs.mostPairs) or more preferred ones in a cluster with a similarity of at least \(options.floor), of "
        + "which only the \(SemanticPairs.mostPairs) most preferred count; more similar ones may be missed. Raise "
        + "'similarityFloor'")
    try workspace.publish(Self.pairs, file, name: key + ".pairs")
  }

  /// *clusters*: stores every pair once with its similarity, and lists the removed documents of each input file.
  func chooseRepresentatives(_ workspace: Workspace) throws {
    let table = try DocumentTable(workspace.files("index").map(\.path))
    let memoryBytes = SortingMemory(options.memory, workspace).bytes
    let scratch = try workspace.temporaryDirectory()
    let file = try workspace.file(Self.similarities, "all.pairs")
    let pairs = try writeSimilarities(file, memoryBytes, scratch, workspace)
    try workspace.publish(Self.similarities, file, name: "all.pairs")
    let choice = ClusterRepresentatives(table: table, memoryBytes: memoryBytes, scratch: scratch + "/choice")
    var files = DuplicateFiles(workspace, Self.duplicates, table)
    let sizes = ClusterSizes(scratch: scratch + "/sizes", memoryBytes: memoryBytes / 4)
    let census = try choice.choose(
      fromPairsIn: [file.path], threshold: options.threshold, to: &files, options.clusterSize ? sizes : nil)
    if options.clusterSize { try sizes.write(workspace, to: Self.sizes, table) }
    workspace.metric("pairs", Double(pairs))
    workspace.metric("clusters", Double(census.clusters))
    workspace.metric("largest-cluster", Double(census.largestCluster))
  }

  /// - Returns: how many of the pairs are duplicates.
  private func writeSimilarities(
    _ file: FileSink, _ memoryBytes: Int, _ scratch: String, _ workspace: Workspace
  ) throws -> Int {
    let sorter = ExternalSorter<SimilarPair>(scratch: scratch + "/pairs", memoryBytes: memoryBytes)
    for part in workspace.files("pairs") { try forEachRecord(of: part.path, as: SimilarPair.self, sorter.append) }
    var last: SimilarPair?, duplicates = 0, read = 0
    try sorter.drain { pair in
      read += 1
      if read % 4096 == 0 { try workspace.control.check() }
      if pair.prefix == last?.prefix { return }
      last = pair
      if pair.similarity >= options.threshold { duplicates += 1 }
      let candidate = CandidatePair(better: pair.better, worse: pair.worse, agreeingHashes: 0)
      try file.write(record: MeasuredPair(candidate, similarity: pair.similarity, isExact: true))
    }
    return duplicates
  }
}

/// A document by the hash of its id: an order that does not depend on files.
private struct HashedNumber: SortableRecord {
  var hash: UInt64
  var document: UInt32

  var prefix: UInt64 { hash }
  static func < (a: HashedNumber, b: HashedNumber) -> Bool { (a.hash, a.document) < (b.hash, b.document) }
}
