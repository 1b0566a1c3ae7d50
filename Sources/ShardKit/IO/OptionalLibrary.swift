import Glibc

/// A shared library that is built by a script after the program, and loaded only when it is needed.
public struct OptionalLibrary: Sendable {
  /// Its file's name, such as `libpipelinetorch.so`.
  public let fileName: String
  /// The environment variable that names the file.
  public let variable: String
  /// The folder that its script writes to, below `.build`.
  public let folder: String

  public init(fileName: String, variable: String, folder: String) {
    self.fileName = fileName
    self.variable = variable
    self.folder = folder
  }

  /// The library's path: what the environment variable says, else next to the program, or where its script puts it: in
  /// `.build/FOLDER` of the program's folder (as in a bundle) or of `share/pipeline` (as in a release), or in a folder of
  /// that name above the program (as in `.build`). nil if there is none.
  public func locate() -> String? {
    if let named = getenv(variable) { return String(cString: named) }
    return InstalledFiles.programFolder.flatMap { folder in places(program: folder).first { FileSystem.exists($0) } }
  }

  /// Paths that are searched for the library, for a program in this folder; the first that exists is used.
  public func places(program: String) -> [String] {
    var parent = program
    var places = ["\(parent)/\(fileName)", "\(parent)/lib/\(fileName)", "\(parent)/.build/\(folder)/\(fileName)"]
    if let prefix = ArchivePath.parent(of: program), prefix != "/" {
      places.append("\(prefix)/share/pipeline/.build/\(folder)/\(fileName)")
    }
    for _ in 0..<4 {
      places.append("\(parent)/\(folder)/\(fileName)")
      guard let next = ArchivePath.parent(of: parent), next != "/" else { break }
      parent = next
    }
    return places
  }
}
