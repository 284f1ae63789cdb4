# The operator's image. BASE is any image of Debian with Python 3.11 to 3.13 and its venv module;
# both stages stand on it, because an environment links to the Python that it was made with.
ARG BASE=python:3.12-slim

# What the operator stands on. Changes with requirements/ only.
FROM ${BASE} AS packages
RUN python3 -m venv /build/tools && python3 -m venv --without-pip /opt/workflow-do
COPY requirements/build.txt requirements/operator.txt /build/requirements/
RUN /build/tools/bin/pip install --quiet --no-cache-dir --no-compile --require-hashes \
      --requirement /build/requirements/build.txt \
 && /build/tools/bin/pip --python /opt/workflow-do/bin/python install --quiet --no-cache-dir \
      --no-compile --require-hashes --requirement /build/requirements/operator.txt \
# The Kubernetes client for asyncio doubles its size; kopf has a client of its own.
 && rm -r /opt/workflow-do/lib/python3*/site-packages/kubernetes/aio \
# The root file system is read-only in a cluster: bytecode is made now or at every start. The
# thousand classes of the Kubernetes client are loaded one by one, and only a few ever are.
 && /opt/workflow-do/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      -x '/kubernetes/client/(api|models)/' /opt/workflow-do/lib

# The operator itself: the wheel, laid out as it will lie in the environment.
FROM packages AS program
COPY pyproject.toml README.md LICENSE /build/source/
COPY operator /build/source/operator
RUN /build/tools/bin/pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation \
      --wheel-dir /build/dist /build/source \
 && /build/tools/bin/pip --python /opt/workflow-do/bin/python install --quiet --no-cache-dir \
      --no-compile --no-deps --no-index /build/dist/*.whl \
 && cd /opt/workflow-do \
 && bin/python -m compileall -q --invalidation-mode unchecked-hash \
      lib/python3*/site-packages/workflow_do \
 && mkdir /out \
 && cp --parents -r bin/workflow-do-operator lib/python3*/site-packages/workflow_do* /out

FROM ${BASE}
LABEL org.opencontainers.image.title="workflow-do operator" \
      org.opencontainers.image.description="Runs business processes as Kubernetes objects" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=packages /opt/workflow-do /opt/workflow-do
COPY --from=program /out /opt/workflow-do
# kopf asks for the user's name, and the user has none: not this one, nor one that a cluster chooses.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LOGNAME=workflow-do
USER 65532:65532
ENTRYPOINT ["/opt/workflow-do/bin/workflow-do-operator"]
