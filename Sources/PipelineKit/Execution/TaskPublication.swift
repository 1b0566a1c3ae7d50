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

  /// Writes the manifest that declares the placed files complete.
  func declare(_ manifest: TaskManifest) throws {
    let path = ArtifactStore.taskManifestPath(in: folder, phase: manifest.phase, key: manifest.key)
    let tasks = ArchivePath.folder(of: path)
    try FileSystem.makeDirectory(tasks)
    try FileSystem.write(Array(manifest.json.prettyText().utf8), to: path)
    try FileSystem.syncDirectory(tasks)
  }
}
