// PipelineKitTests
