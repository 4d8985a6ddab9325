FROM golang:1.26 AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /sluice .

# Static, without a shell, as nobody. Run it with a read-only root: all it writes is rollout.state,
# where there is a rollout.spec. Its configuration has to say listen: :8080.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /sluice /sluice
USER 65534:65534
EXPOSE 8080 8081
ENTRYPOINT ["/sluice"]
CMD ["serve"]
