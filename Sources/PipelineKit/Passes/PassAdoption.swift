import ShardKit

/// Takes over tasks that were done in the pass of the stage before.
extension PhasePreparation {
  /// The result of a task whose documents were handed on in memory; nil if it has to run.
  func takePassed(
    _ task: TaskPlan, _ phase: String, _ wanted: Digest
  ) throws -> (manifest: TaskManifest, milliseconds: Int?)? {
    guard let file = task.inputs[.main].first, file.isPassed,
      let template = PassPlanning.template(of: task, file: file)
    else { return nil }
    let source = PassRecord.folder(of: file)
    let fingerprint = PassPlanning.fingerprint(node, phase, template)
    guard let record = PassRecord(in: source, reader: node.name, fingerprint: fingerprint),
      record.manifest.phase == phase, record.isWhole(in: source)
    else { return nil }
    var manifest = record.manifest
    manifest.key = task.key
    manifest.fingerprint = wanted
    for i in manifest.files.indices { manifest.files[i].name = Self.keyed(manifest.files[i].name, task.key) }
    for (file, staged) in zip(manifest.files, record.manifest.files) {
      let target = "\(folder)/\(file.port)/\(file.name)"
      try FileSystem.makeDirectory(ArchivePath.folder(of: target))
      try FileSystem.link("\(source)/\(staged.port)/\(staged.name)", to: target)
      if file.isPassed {
        try Self.linkTree(
          PassRecord.folder(in: source, port: staged.port, name: staged.name),
          to: PassRecord.folder(in: folder, port: file.port, name: file.name))
      }
    }
    let publication = TaskPublication(folder: folder)
    try publication.sync(manifest.files)
    try publication.declare(manifest)
    try store.commitTask(
      node: nodeID, run: run, manifest: manifest, attempts: 1, milliseconds: record.milliseconds ?? 0,
      reused: record.milliseconds == nil)
    return (manifest, record.milliseconds)
  }

  private static func keyed(_ name: String, _ key: String) -> String {
    name.replacing(PassPlanning.key, with: key)
  }

  /// A task that would have to read documents that were handed on.
  func notKept(_ task: TaskPlan) -> StageError? {
    guard let file = task.files.first(where: \.isPassed) else { return nil }
    return StageError(
      .environment, file.name,
      "its documents went to this stage in memory and were not kept, and what the stage did with them cannot be used now",
      hint: "Run again: they are then made once more.")
  }

  /// Gives the files of a folder a second name.
  static func linkTree(_ source: String, to target: String) throws(ShardError) {
    try FileSystem.removeTree(target)
    try FileSystem.makeDirectory(target)
    for name in try FileSystem.list(source, others: .passedOver) {
      if FileSystem.isDirectory("\(source)/\(name)") {
        try linkTree("\(source)/\(name)", to: "\(target)/\(name)")
      } else {
        try FileSystem.link("\(source)/\(name)", to: "\(target)/\(name)")
      }
    }
    try FileSystem.syncDirectory(target)
  }

  /// Why a finished task cannot be kept: documents that it did not keep are needed again.
  func missingDocuments(_ manifest: TaskManifest, in folder: String) -> String? {
    for file in manifest.files where file.isPassed {
      let record = PassRecord.folder(in: folder, port: file.port, name: file.name)
      guard let reader = passes.readers[file.port] else { return "its documents were handed on and not kept" }
      if !reader.isRecorded(in: record) { return "'\(reader.node.name)' needs its documents, which were not kept" }
    }
    return nil
  }
}
