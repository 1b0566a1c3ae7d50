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
        pipeline init --python corpus.json    with a stage of your own, filter.py
      """)

  @Argument(help: "The pipeline file to write.", completion: .file(extensions: ["json", "jsonc", "yaml", "yml"]))
  var file = "pipeline.json"

  @Flag(help: "Add a stage in Python, which you can change into your own.")
  var python = false

  func run() throws {
    let path = DocumentSyntax.isDocument(file) ? file : file + ".json"
    let folder = ArchivePath.parent(of: path) ?? "."
    let texts = "\(folder)/texts", script = "\(folder)/\(FirstPipeline.scriptName)"
    for written in python ? [path, script] : [path] where FileSystem.exists(written) {
      throw RunError(
        .selection, "\(written) already exists and was not changed",
        hint: written == path ? "Name another file." : "Use another folder.")
    }
    try FileSystem.makeDirectory(texts)
    let sample = texts + "/sample.jsonl"
    let isNew = !FileSystem.exists(sample)
    if isNew { try FileSystem.write(FirstPipeline.sample, to: sample) }
    let document = FirstPipeline.document(
      name: DocumentSyntax.stem(of: path), DocumentSyntax(path: path), python: python)
    try FileSystem.write(Array(document.utf8), to: path)
    if python { try FileSystem.write(Array(FirstPipeline.script.utf8), to: script) }
    let others = [isNew ? "sample texts in \(sample)" : nil, python ? "a stage in Python in \(script)" : nil]
    let with = others.compactMap { $0 }.joined(separator: " and ")
    Console.line("\(path) written\(with.isEmpty ? "" : ", with \(with)")")
    Console.line("Next: pipeline run \(path)")
  }
}
