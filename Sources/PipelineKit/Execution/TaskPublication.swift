import ShardKit

/// How what a task wrote becomes visible: complete, or not at all.
extension TaskRun {
  /// Makes the files durable first, then writes the manifest that declares them complete.
  func publish(_ manifest: TaskManifest, from staging: String) throws {
    var folders: Set<ExactText> = [ExactText(directory)]
    for file in manifest.files {
      let target = "\(directory)/\(file.port)/\(file.name)"
      let folder = ArchivePath.folder(of: target)
      if folders.insert(ExactText(folder)).inserted { try FileSystem.makeDirectory(folder) }
      try FileSystem.rename("\(staging)/\(file.port)/\(file.name)", to: target)
    }
    for folder in folders.sorted() { try FileSystem.syncDirectory(folder.text) }
    FaultPoint.reach("task.manifest")
    let tasks = "\(directory)/tasks"
    try FileSystem.makeDirectory(tasks)
    try FileSystem.write(Array(manifest.json.prettyText().utf8), to: "\(tasks)/\(phase)-\(task.key).json")
    try FileSystem.syncDirectory(tasks)
  }
}
