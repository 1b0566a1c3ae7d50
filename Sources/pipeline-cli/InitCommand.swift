import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Write a small working pipeline file as a starting point.",
    discussion: """
      Writes the pipeline file and, next to it, a folder of sample texts. Existing files are never overwritten.

      The name's ending decides between JSON and YAML.

      EXAMPLES
        pipeline init corpus.json && pipeline run corpus.json
        pipeline init corpus.yaml
      """)

  @Argument(help: "The pipeline file to write.", completion: .file(extensions: ["json", "jsonc", "yaml", "yml"]))
  var file = "pipeline.json"

  func run() throws {
    let path = DocumentSyntax.isDocument(file) ? file : file + ".json"
    let texts = "\(ArchivePath.parent(of: path) ?? ".")/texts"
    guard !FileSystem.exists(path) else {
      throw RunError(.selection, "\(path) already exists and was not changed", hint: "Name another file.")
    }
    try FileSystem.makeDirectory(texts)
    let sample = texts + "/sample.jsonl"
    let isNew = !FileSystem.exists(sample)
    if isNew { try FileSystem.write(FirstPipeline.sample, to: sample) }
    let document = FirstPipeline.document(name: DocumentSyntax.stem(of: path), DocumentSyntax(path: path))
    try FileSystem.write(Array(document.utf8), to: path)
    Console.line("\(path) written\(isNew ? ", with sample texts in \(sample)" : "")")
    Console.line("Next: pipeline run \(path)")
  }
}
