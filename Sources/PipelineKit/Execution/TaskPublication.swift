import ShardKit

/// How the files of a task become visible in a node's folder: complete, or not at all.
struct TaskPublication {
  /// The node's folder.
  let folder: String

  /// Gives each file its place and makes that durable.
  /// - Parameter move: brings a file from the first path to the second, by its name alone.
  func place(_ files: [PublishedFile], from source: String, by move: (String, String) throws -> Void) throws {
    var folders: Set<ExactText> = [ExactText(folder)]
    try FileSystem.makeDirectory(folder)
    for file in files {
      let target = "\(folder)/\(file.port)/\(file.name)"
      let parent = ArchivePath.folder(of: target)
      if folders.insert(ExactText(parent)).inserted { try FileSystem.makeDirectory(parent) }
      try move("\(source)/\(file.port)/\(file.name)", target)
    }
    for parent in folders.sorted() { try FileSystem.syncDirectory(parent.text) }
  }

  /// Gives what was done in a task for the stages after it its place.
  func placePassed(_ files: [PublishedFile], from source: String) throws {
    for file in files where file.isPassed {
      let target = PassRecord.folder(in: folder, port: file.port, name: file.name)
      try FileSystem.removeTree(target)
      try FileSystem.makeDirectory(ArchivePath.folder(of: target))
      try FileSystem.rename(PassRecord.folder(in: source, port: file.port, name: file.name), to: target)
      FaultPoint.reach("task.passed")
    }
    try syncPassed(files)
  }

  /// Makes the names of files that have their place durable.
  func sync(_ files: [PublishedFile]) throws {
    var folders: Set<ExactText> = [ExactText(folder)]
    for file in files {
      folders.insert(ExactText("\(folder)/\(file.port)"))
      folders.insert(ExactText(ArchivePath.folder(of: "\(folder)/\(file.port)/\(file.name)")))
    }
    for folder in folders.sorted() { try FileSystem.syncDirectory(folder.text) }
    try syncPassed(files)
  }

  func syncPassed(_ files: [PublishedFile]) throws {
    let ports = Set(files.filter(\.isPassed).map(\.port)).sorted()
    guard !ports.isEmpty else { return }
    for port in ports { try FileSystem.syncDirectory("\(folder)/.passed/\(port)") }
    try FileSystem.syncDirectory("\(folder)/.passed")
    try FileSystem.syncDirectory(folder)
  }

  /// Writes the manifest that declares the placed files complete.
  func declare(_ manifest: TaskManifest) throws {
    let path = ArtifactStore.taskManifestPath(in: folder, phase: manifest.phase, key: manifest.key)
    let tasks = ArchivePath.folder(of: path)
    try FileSystem.makeDirectory(tasks)
    try FileSystem.write(Array(manifest.json.prettyText().utf8), to: path)
    try FileSystem.syncDirectory(tasks)
  }
}
