import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Write a small first pipeline that runs, to build upon.",
    discussion: """
      Writes the document and, beside it, a folder with a few texts for it to read. Nothing that exists is overwritten.

      EXAMPLE
        pipeline init corpus.json && pipeline run corpus.json
      """)

  @Argument(help: "The document to write.", completion: .file(extensions: ["json"]))
  var file = "pipeline.json"

  func run() throws {
    let path = file.hasSuffix(".json") ? file : file + ".json"
    let texts = "\(ArchivePath.parent(of: path) ?? ".")/texts"
    guard !FileSystem.exists(path) else {
      throw RunError(.selection, "\(path) exists already, and is left as it is", hint: "Name another file.")
    }
    try FileSystem.makeDirectory(texts)
    let sample = texts + "/sample.jsonl"
    let isNew = !FileSystem.exists(sample)
    if isNew { try FileSystem.write(FirstPipeline.sample, to: sample) }
    let last = ArchivePath.lastPart(of: path)
    try FileSystem.write(Array(FirstPipeline.document(name: String(last.dropLast(5))).utf8), to: path)
    Console.line("\(path) written\(isNew ? ", with a few texts in \(sample)" : "")")
    Console.line("Next: pipeline run \(path)")
  }
}
