# docker build -t headless-dns:0.1.0 .                          for ports from 1024, as in config/kubernetes
# docker build -t headless-dns:0.1.0-port53 --target port53 .   for port 53 without a sysctl, as the component host-network needs it
# docker run --rm -p 1053:1053/udp -p 1053:1053 headless-dns:0.1.0 serve --demo --listen 0.0.0.0:1053
#
# Neither image has a shell or a package manager: the node binary, one bundle, and koffi, whose native part no bundle can hold.
ARG NODE_IMAGE=node:24-bookworm-slim
# glibc and libstdc++, certificates, users; the same Debian as above.
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# No package of the production tree needs its scripts.
RUN npm ci --ignore-scripts --no-progress
COPY tsconfig.json ./
COPY src src
RUN npm run build
# The layout of the final image. koffi finds its native package beside itself.
RUN mkdir -p /app/node_modules/@koromix \
  && cp -r dist package.json /app/ \
  && cp -r node_modules/koffi /app/node_modules/ \
  && cp -r node_modules/@koromix/koffi-linux-* /app/node_modules/@koromix/
COPY config/demo /app/config/demo

FROM build AS build-port53
RUN apt-get update && apt-get install -y --no-install-recommends libcap2-bin \
  && cp /usr/local/bin/node /node && setcap cap_net_bind_service=+ep /node

FROM ${BASE_IMAGE} AS base
# Numeric: runAsNonRoot cannot judge a name.
USER 65532:65532
WORKDIR /app
COPY --from=build /app /app
# One arena of malloc for all threads: those of V8's compiler and collector have theirs before the program runs, and what stays in
# them grows by megabytes for hours. glibc does not read it in a file with capabilities (port53).
ENV NODE_ENV=production MALLOC_ARENA_MAX=1
EXPOSE 1053/udp 1053/tcp 9153/tcp

# A container without root has no capability in effect, whatever `capabilities.add` says, unless the file it starts carries it
# (+ep), and it is started directly: a shell or an init before it would lose it, and allowPrivilegeEscalation: false forbids to
# get it back. But such a file cannot be started at all where every capability is dropped and none added: hence two images.
FROM base AS port53
COPY --from=build-port53 /node /usr/local/bin/node
ENTRYPOINT ["/usr/local/bin/node", "/app/dist/main.mjs"]
CMD ["serve"]

FROM base AS server
COPY --from=build /usr/local/bin/node /usr/local/bin/node
ENTRYPOINT ["/usr/local/bin/node", "/app/dist/main.mjs"]
CMD ["serve"]
